"""What became of written rows: hand-made sets whose fates can be checked by eye."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign import tables
from synalign.changes import page, telling
from synalign.changes.lineage import Lineage, lineage
from synalign.changes.side import COLUMNS, Side, side
from synalign.config import Configuration
from tests.changes.sets import FIRST, NAMES, SECOND, Row, compared, finished, real, told

Make = Callable[..., Configuration]
EARLIER = "20260201T000000Z-20260202T000000Z"


def put(run: Any, **contents: pa.Table) -> None:
    """Replace tables of a finished step in their place."""
    for table, rows in contents.items():
        (file,) = run.files(table)
        pq.write_table(rows.cast(tables.schema(table)), file.local)


def judged(verdicts: Sequence[tuple[Row, str | None]]) -> dict[str, pa.Table]:
    """The tables of the step *screen*: each row, and the reason for which it was rejected."""
    ids = [f"candidate {number}" for number in range(len(verdicts))]
    lineage = dict.fromkeys(("batch_id", "request_id", "interval", "model", "prompt_version"), ["x"] * len(ids))
    queries, documents = [row.query for row, _ in verdicts], [row.document for row, _ in verdicts]
    pool = pa.table({"candidate_id": ids, "query": queries, "document_id": documents, **lineage})
    reasons = [reason for _, reason in verdicts]
    return {
        "pool": pool.select(tables.schema("pool").names),
        "screening": pa.table({
            "candidate_id": ids, "status": ["rejected" if reason else "accepted" for reason in reasons],
            "reason": pa.array(reasons, pa.string()), "score": [0.5] * len(ids),
        }),
    }  # fmt: skip


def sides(
    configuration: Configuration,
    before: Sequence[Row],
    after: Sequence[Row],
    *,
    verdicts: Sequence[tuple[Row, str | None]] = (),
    metrics: Mapping[str, dict[str, Any]] | None = None,
) -> tuple[Side, Side]:
    finished(configuration, FIRST, before)
    run = finished(configuration, SECOND, after, metrics=metrics)
    put(run, **judged(verdicts))
    return side(NAMES[0]), side(NAMES[1])


def test_each_written_row_has_one_fate(configuration: Make) -> None:
    before = [*real("a"), *(Row(query) for query in ("kept", "again", "leaked", "copied", "gone", "asked"))]
    after = [
        *real("a"),
        *real("asked"),
        Row("kept", interval=FIRST.name),
        Row("again", interval=SECOND.name),
        Row("new", interval=SECOND.name),
        Row("old", interval=EARLIER),
    ]
    verdicts = [(Row("leaked"), "leak"), (Row("copied"), "copied"), (Row("kept"), None), (Row("other"), "leak")]
    found = lineage(
        *sides(
            configuration(), before, after, verdicts=verdicts,
            metrics={"carry": {"found": 9, "carried": 5, "left": {"retired": 1, "document_gone": 3}}},
        )
    )  # fmt: skip
    assert found == Lineage(
        carried=2, new=1, returned=1, now_real=1, rejected={"copied": 1, "leak": 1}, left=1,
        left_because={"document_gone": 3, "retired": 1}, up=0, down=0,
        real_alone=False,
    )  # fmt: skip
    assert found.carried + found.went == 6
    assert found.carried + found.new + found.returned == 4


def test_a_weight_is_compared_as_a_multiple_of_its_sets_mean(configuration: Make) -> None:
    # Before: mean 1. After: mean 10, so 10 is unchanged, 25 is up by 2.5, 4 down by 2.5, 20 exactly twice.
    before = [Row(name) for name in ("same", "up", "down", "twice", "other")]
    after = [
        Row(name, weight=weight)
        for name, weight in (("same", 10.0), ("up", 25.0), ("down", 4.0), ("twice", 20.0), ("new", 1.0), ("more", 0.0))
    ]
    first, second = sides(configuration(), before, after)
    assert (lineage(first, second).up, lineage(first, second).down) == (1, 1)
    assert (lineage(second, first).up, lineage(second, first).down) == (1, 1)


def test_every_weight_falling_alike_is_no_news_of_any_row(configuration: Make) -> None:
    before = [Row("x", weight=1.0), Row("y", weight=3.0)]
    after = [Row("x", weight=0.1), Row("y", weight=0.3)]
    found = lineage(*sides(configuration(), before, after))
    assert (found.carried, found.up, found.down) == (2, 0, 0)


def test_from_nothing_to_something_is_up_and_from_nothing_to_nothing_is_nothing(configuration: Make) -> None:
    before = [Row("x", weight=0.0), Row("y", weight=2.0), Row("z", weight=0.0), Row("r", weight=1e-12)]
    after = [Row("x", weight=2.0), Row("y", weight=0.0), Row("z", weight=0.0), Row("r", weight=0.0)]
    found = lineage(*sides(configuration(), before, after))
    assert (found.up, found.down) == (1, 1)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [Row("x")], (0, 1, 0)),
        ([Row("x")], [], (0, 0, 1)),
        ([], [], (0, 0, 0)),
        ([Row("x", weight=0.0)], [Row("x")], (1, 0, 0)),
    ],
)
def test_sets_without_written_rows_or_without_weight(
    configuration: Make, before: list[Row], after: list[Row], expected: tuple[int, int, int]
) -> None:
    found = lineage(*sides(configuration(), [*real("a"), *before], [*real("a"), *after]))
    assert (found.carried, found.new, found.went) == expected
    assert (found.up, found.down) == (0, 0)


def test_a_set_of_an_older_version_has_no_intervals_and_is_compared_all_the_same(configuration: Make) -> None:
    finished(configuration(), FIRST, [Row("x"), Row("y")])
    run = finished(configuration(), SECOND, [Row("x"), Row("z")])
    old = run.read("training_set").select([*COLUMNS, "batch_id"])
    (file,) = run.files("training_set")
    pq.write_table(old, file.local)
    found = lineage(side(NAMES[0]), side(NAMES[1]))
    assert side(NAMES[1]).rows["interval"].to_pylist() == [None, None]
    assert (found.carried, found.new, found.returned, found.left) == (1, 1, 0, 1)


def test_a_set_of_real_pairs_alone_says_that_nothing_was_lost_by_the_pool(configuration: Make) -> None:
    first, second = sides(
        configuration(), [*real("a"), Row("x")], real("a"),
        metrics={"assemble": {"scheme": "none"}, "carry": {"found": 1, "carried": 0, "left": {"retired": 1}}},
    )  # fmt: skip
    (left,) = [fate for fate in telling.fates(lineage(first, second)) if fate.name == "left behind"]
    assert (left.number, left.why) == (1, "real pairs alone were chosen for the second set")


def test_where_the_run_is_gone_reasons_are_those_of_its_manifests(configuration: Make) -> None:
    first, second = sides(
        configuration(), [Row("x"), Row("y")], [Row("x")], verdicts=[(Row("y"), "leak")],
        metrics={"carry": {"found": 2, "carried": 1, "left": {"retired": 4}}},
    )  # fmt: skip
    assert lineage(first, second).rejected == {"leak": 1}
    found = lineage(first, second._replace(run=None))
    assert (found.rejected, found.left, found.left_because) == ({}, 1, {"retired": 4})
    screened = {**second.manifests["screen"], "tables": {"screening": {}}}
    older = second._replace(manifests={**second.manifests, "screen": screened, "carry": {}})
    assert (lineage(first, older).left, lineage(first, older).left_because) == (1, {})


def test_terminal_page_and_json_tell_the_same_fates(configuration: Make) -> None:
    before = [*real("a"), Row("x"), Row("y", weight=3.0), Row("z")]
    sides(
        configuration(), before, [*real("b"), Row("x", weight=9.0), Row("y"), Row("new")],
        metrics={"carry": {"found": 3, "carried": 2, "left": {"<script>": 1, "document_changed": 7}}},
    )  # fmt: skip
    found = compared()
    (sentence,) = [line for line in telling.headline(found) if line.startswith("Of the written rows")]
    assert sentence == (
        "Of the written rows 2 were carried, 1 came and 1 went; 1 weigh much more and 1 much less than before."
    )
    fates = {fate.name: fate.number for fate in telling.fates(found.lineage)}
    assert fates == {"carried": 2, "new": 1, "left behind": 1, "heavier": 1, "lighter": 1}
    text, html = told(found, 200), page.render(found)
    for fate in telling.fates(found.lineage):
        assert fate.name in text and f">{fate.name}<" in html
    assert "document changed 7" in text and "document changed 7" in html
    assert "<script> 1" in text and "&lt;script&gt; 1" in html
    plain = json.loads(json.dumps(found.as_json()))["lineage"]
    assert (plain["carried"], plain["new"], plain["left"]) == (2, 1, 1)
    assert plain["left_because"] == {"document_changed": 7, "<script>": 1}


def test_sets_without_written_rows_have_no_such_sentence(configuration: Make) -> None:
    sides(configuration(), real("a"), real("b"))
    assert not [line for line in telling.headline(compared()) if "written rows" in line]
