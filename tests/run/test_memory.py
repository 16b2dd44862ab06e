"""Demonstrations of earlier intervals: whose, how many, and their vectors."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from synalign import tables
from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.run.memory import earlier_demonstrations, shown_earlier

IDS = ("q1", "q2", "q3")


def demonstrated(run: Run, commit: Callable[..., Run], shown: tuple[str, ...], vectors: list[list[float]]) -> Run:
    """A run that showed some queries; each has the vector at its place."""
    empty = {name: tables.schema(name).empty_table() for name in ("documents", "queries", "pairs", "rejected")}
    embeddings = pa.table({"id": list(IDS), "embedding": pa.array(vectors, pa.list_(pa.float32()))})
    names = tables.schema("demonstrations")
    rows = [{field.name: query if field.name == "query_id" else _any(field.type) for field in names} for query in shown]
    none = tables.schema("document_embeddings").empty_table()
    contents = {"query_embeddings": embeddings, "document_embeddings": none}
    return commit(run, **empty, **contents, demonstrations=pa.Table.from_pylist(rows, names))


def _any(kind: pa.DataType) -> object:
    return "x" if pa.types.is_string(kind) else 0


def test_as_many_earlier_intervals_count_as_the_setting_says(
    configuration: Callable[..., Configuration], commit: Callable[..., Run]
) -> None:
    settings = configuration(sampling={"memory": 2}, pool={"nights": 2})
    days = [Interval.parse(f"2026-02-0{day}", f"2026-02-0{day + 1}") for day in range(1, 6)]
    shown = [("q1",), ("q2", "q1"), ("q3", "q3")]
    axes = np.eye(3, dtype=np.float32)
    runs = [
        demonstrated(Run(settings, day), commit, queries, (axes * (1.0, -1.0, 1.0)[number]).tolist())
        for number, (day, queries) in enumerate(zip(days, shown, strict=False))
    ]
    now = Run(settings, days[3])
    assert earlier_demonstrations(now) == {run.interval.name: run.digest("demonstrations") for run in runs[1:]}
    # Of the second q2 and q1, in its own space; of the third q3, once though it was shown twice.
    np.testing.assert_array_equal(shown_earlier(now), [-axes[1], -axes[0], axes[2]])


@pytest.mark.parametrize(("pool", "known"), [({"nights": 3}, 3), ({"nights": 3, "explored": False}, 1)])
def test_what_the_pool_may_hold_is_remembered_as_long(
    configuration: Callable[..., Configuration], commit: Callable[..., Run], pool: dict[str, int], known: int
) -> None:
    settings = configuration(sampling={"memory": 1}, pool=pool)
    days = [Interval.parse(f"2026-02-0{day}", f"2026-02-0{day + 1}") for day in range(1, 6)]
    for day in days[:4]:
        demonstrated(Run(settings, day), commit, ("q1",), np.eye(3, dtype=np.float32).tolist())
    assert len(earlier_demonstrations(Run(settings, days[4]))) == known


def test_before_the_first_interval_nothing_was_shown(configuration: Callable[..., Configuration]) -> None:
    run = Run(configuration(), Interval.parse("2026-02-01", "2026-02-02"))
    assert earlier_demonstrations(run) == {}
    assert shown_earlier(run) is None


def test_what_was_shown_in_the_space_of_another_encoder_does_not_count(
    configuration: Callable[..., Configuration], commit: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    days = [Interval.parse(f"2026-02-0{day}", f"2026-02-0{day + 1}") for day in range(1, 4)]
    other, same = configuration(encoder={"model": "/models/wide"}), configuration(encoder={"precision": "float32"})
    demonstrated(Run(other, days[0]), commit, ("q1",), np.eye(5)[:3].tolist())
    demonstrated(Run(same, days[1]), commit, ("q2",), np.eye(3).tolist())
    now = demonstrated(Run(configuration(), days[2]), commit, ("q3",), np.eye(3).tolist())
    np.testing.assert_array_equal(shown_earlier(now), np.eye(3)[1:2])
    assert "1 earlier intervals have another encoder" in caplog.text
    assert len(earlier_demonstrations(now)) == 2


def test_what_was_shown_with_another_prompt_does_not_count(
    configuration: Callable[..., Configuration], commit: Callable[..., Run]
) -> None:
    days = [Interval.parse(f"2026-02-0{day}", f"2026-02-0{day + 1}") for day in range(1, 4)]
    runs = [Run(configuration(), day) for day in days]
    for run, prompt in zip(runs, ("query: ", "", ""), strict=True):
        demonstrated(run, commit, ("q1",), np.eye(3).tolist())
        if prompt:
            file = Path(run.folder / "embed" / "manifest.json")
            content = json.loads(file.read_bytes())
            file.write_text(json.dumps({**content, "metrics": {**content["metrics"], "query_prompt": prompt}}))
    shown = shown_earlier(runs[2])
    assert shown is not None
    assert len(shown) == 1
