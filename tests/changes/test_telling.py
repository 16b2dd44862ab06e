"""Changes in words: the first lines, and each figure in its own terms."""

from typing import Any

import pytest

from synalign.changes import telling
from synalign.changes.figures import Figure
from tests.changes.sets import compared


def test_the_first_lines_say_whether_traffic_moved_what_rows_did_and_how_retrievers_fared(pair: Any) -> None:
    traffic, rows, written, retriever = telling.headline(compared())
    assert traffic.startswith("Traffic moved: MMD² between the real queries of the two sets is ")
    assert traffic.endswith("(p < 0.001).")
    assert rows == "22 rows became 22: 21 came, 21 went, 1 stayed."
    assert written == "Of the written rows 1 were carried, 1 came and 1 went."
    assert retriever.endswith("+0.0200 (gate passed) before, +0.0200 (gate failed) after.")


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (Figure("", "", "score", 0.5, 0.52), "+0.0200"),
        (Figure("", "", "figure", 0.02, 0.01), "\u00d7\u202f0.5"),
        (Figure("", "", "share", 0.5, 0.4), "\u221210.0 points"),
        (Figure("", "", "count", None, 4), ""),
        (Figure("", "", "text", "a", "b"), "changed"),
        (Figure("", "", "seconds", 10, 15), "+50\u202f%"),
    ],
)
def test_a_change_is_told_in_the_figures_own_terms(figure: Figure, expected: str) -> None:
    assert telling.change(figure) == expected
