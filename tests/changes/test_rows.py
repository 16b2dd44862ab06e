"""Rows that came, went and stayed: hand-made sets whose counts can be checked by eye."""

from collections.abc import Callable

import pytest

from synalign.changes.rows import Rows, changed_rows
from synalign.changes.side import side
from synalign.config import Configuration
from tests.changes.sets import FIRST, SECOND, Row, finished, real

Make = Callable[..., Configuration]


@pytest.fixture
def changed(configuration: Make) -> Callable[[list[Row], list[Row]], Rows]:
    def compared(before: list[Row], after: list[Row]) -> Rows:
        for interval, rows in ((FIRST, before), (SECOND, after)):
            finished(configuration(), interval, rows)
        return changed_rows(side(f"shop/{FIRST.name}"), side(f"shop/{SECOND.name}"))

    return compared


def test_every_row_came_went_or_stayed(changed: Callable[..., Rows]) -> None:
    before = [*real("a", "b", "c"), Row("x"), Row("y")]
    after = [*real("b", "c"), *real("e", "f", split="test"), Row("y"), Row("z")]
    counts = changed(before, after).counts
    assert counts["real"] == (3, 4, 2, 2, 1, 0)
    assert counts["synthetic"] == (2, 2, 1, 1, 1, 0)
    for count in counts.values():
        assert count.before == count.kept + count.went
        assert count.after == count.kept + count.came


def test_the_same_query_for_another_document_is_another_row(changed: Callable[..., Rows]) -> None:
    assert changed([Row("x", "one")], [Row("x", "two")]).counts["synthetic"] == (1, 1, 0, 1, 1, 0)


def test_a_row_in_another_split_stayed_and_says_so(changed: Callable[..., Rows]) -> None:
    assert changed(real("a", "b"), [*real("a"), *real("b", split="test")]).counts["real"] == (2, 2, 2, 0, 0, 1)


def test_written_queries_that_people_came_to_ask_are_counted(changed: Callable[..., Rows]) -> None:
    found = changed([*real("a"), Row("x"), Row("y")], [*real("a", "x"), Row("y")])
    assert found.came_true == 1


def test_the_heaviest_rows_that_came_and_went_are_shown(changed: Callable[..., Rows]) -> None:
    before = [Row(f"old {weight}", weight=weight) for weight in range(1, 9)]
    after = [Row(f"new {weight}", weight=weight) for weight in range(1, 9)]
    found = changed(before, after)
    assert [one.query for one in found.came] == ["new 8", "new 7", "new 6", "new 5", "new 4"]
    assert [one.weight for one in found.went] == [8, 7, 6, 5, 4]
    assert found.came[0].document == "d title"


def test_weights_are_told_by_what_they_cost(changed: Callable[..., Rows]) -> None:
    before, after = changed([*real("a", "b"), Row("x"), Row("y")], [*real("a"), Row("x", weight=3.0), Row("y")]).weights
    assert before is not None
    assert after is not None
    assert (before.total, before.effective, before.design_effect, before.largest_share) == (1.0, 2.0, 1.0, 0.5)
    assert (after.total, after.effective, after.design_effect, after.largest_share) == (4.0, 1.6, 1.25, 0.75)


def test_rows_and_documents_whose_weight_changed_most_come_first(changed: Callable[..., Rows]) -> None:
    before = [Row("x", "one", 1.0), Row("y", "two", 1.0), Row("z", "two", 2.0)]
    after = [Row("x", "one", 4.0), Row("y", "two", 1.7), Row("z", "two", 2.3)]
    found = changed(before, after)
    assert [(row.query, row.before, row.after) for row in found.reweighed] == [
        ("x", 1.0, 4.0), ("y", 1.0, 1.7), ("z", 2.0, 2.3)
    ]  # fmt: skip
    assert [(row.document, row.before, row.after) for row in found.shifted] == [
        ("one title", 0.25, 0.5), ("two title", 0.75, 0.5)
    ]  # fmt: skip


def test_a_factor_that_all_rows_have_in_common_is_no_news_of_any(changed: Callable[..., Rows]) -> None:
    found = changed([Row("x", weight=1.0), Row("y", weight=2.0)], [Row("x", weight=1.5), Row("y", weight=3.0)])
    assert (found.reweighed, found.shifted) == ((), ())


def test_a_set_without_written_rows_has_no_weights(changed: Callable[..., Rows]) -> None:
    assert changed(real("a"), [*real("a"), Row("x")]).weights[0] is None
