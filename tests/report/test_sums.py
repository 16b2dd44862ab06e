"""Counts that add up, as parts of one row."""

from __future__ import annotations

from synalign.report.sums import Part, Sum


def test_parts_fill_their_row() -> None:
    places = Sum("x", [Part("a", 1, "kept"), Part("b", 3, "lost")], 4, "all").places
    assert [(part.name, start, width) for part, start, width in places] == [("a", 0.0, 25.0), ("b", 25.0, 75.0)]
    assert Sum("x", [], 0, "all").balanced
