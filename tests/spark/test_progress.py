"""How far Spark is: tasks as they end, and what tasks say while they work."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from synalign import progress
from synalign.progress import Event
from synalign.spark import progress as spark_progress
from synalign.storage import Place


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Every event, as fast as they come."""
    events: list[Event] = []
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    monkeypatch.setattr(progress, "_log", events.append)
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress.log, "isEnabledFor", lambda level: True)
    monkeypatch.setattr(progress, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(spark_progress, "LOOK_SECONDS", 0.05)
    return events


def test_tasks_are_shown_as_they_end(spark: Any, shown: list[Event]) -> None:
    def slow(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            time.sleep(0.5)
            yield batch

    # Of an earlier job nothing is counted.
    spark.range(100, numPartitions=7).count()
    with spark_progress.tasks(spark, "ingest", "reading"):
        spark.range(16, numPartitions=8).mapInArrow(slow, "id long").collect()
    counts = [event.done for event in shown]
    assert counts == sorted(counts)
    assert {(event.step, event.unit, event.total) for event in shown} == {("ingest", "tasks of reading", 8)}
    assert any(0 < count < 8 for count in counts)


def test_a_task_says_how_far_it_is_while_it_works(spark: Any, tmp_path: Path, shown: list[Event]) -> None:
    folder = Place(tmp_path) / "attempt" / ".progress"

    def slow(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        tally = spark_progress.tally(folder)
        for batch in batches:
            for _ in range(batch.num_rows):
                time.sleep(0.15)
                tally.add(1)
            yield batch

    with spark_progress.tallied(folder, "embed", 20, "texts"):
        # One task, so that nothing but its own word can tell.
        spark.range(20, numPartitions=1).mapInArrow(slow, "id long").collect()
    counts = [event.done for event in shown]
    assert counts == sorted(counts)
    assert len({count for count in counts if 0 < count < 20}) >= 2
    assert counts[-1] == 20
    assert not folder.exists()


def test_what_a_task_cannot_say_does_not_fail_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spark_progress, "LOOK_SECONDS", 0.0)
    spark_progress.tally(Place(tmp_path) / "gone").add(1)
    with spark_progress.tallied(Place(tmp_path) / "half", "embed", 1, "texts"):
        (tmp_path / "half" / "0").write_text("")
        assert spark_progress._sum(tmp_path / "half") == 0


def test_in_object_storage_only_the_end_is_told(shown: list[Event]) -> None:
    folder = Place("s3://bucket/nobody/asks/for/it")
    with spark_progress.tallied(folder, "embed", 3, "texts"):
        spark_progress.tally(folder).add(1)
    assert shown[-1].done == 3
