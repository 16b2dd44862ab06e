"""The map of queries: areas are weights, texts stay within their budget."""

from __future__ import annotations

import re

import numpy as np
import pytest

from synalign.report import query_map
from synalign.report.population import Population, Queries


def people(texts: list[str], weights: list[float]) -> Population:
    """As many real queries as written ones, in two directions."""
    angles = np.linspace(0.0, 1.5, len(texts))
    vectors = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    side = Queries([str(row) for row in range(len(texts))], texts, vectors, len(texts))
    equal = np.ones(len(texts))
    return Population(side, side, {"equal": equal, "aligned": np.array(weights)}, True)


def radii(panel: query_map.Panel) -> list[float]:
    return [float(found) for found in re.findall(r' r="([\d.]+)"', str(panel.circles))]


def test_areas_are_as_the_weights_and_what_weighs_nothing_is_not_drawn() -> None:
    before, after = query_map.layout(people(["a", "b", "c"], [0.0, 2.0, 1.0])).panels
    assert radii(before) == [query_map.RADIUS] * 3
    heavy, light = radii(after)
    assert (heavy / light) ** 2 == pytest.approx(2.0, rel=0.05)


def test_every_point_of_the_list_is_drawn_where_the_list_says() -> None:
    laid = query_map.layout(people(["a", "b", "c"], [0.5, 2.0, 0.5]))
    assert [point.text for point in laid.written] == ["b", "a", "c"]
    drawn = set(re.findall(r'cx="(\d+)" cy="(\d+)"', str(laid.panels[1].circles)))
    assert drawn == {(str(point.x), str(point.y)) for point in laid.written}
    assert str(laid.dots).count("h0") == 3


def test_long_texts_leave_room_for_fewer_points() -> None:
    hostile = ["<\u202e" * 200] * query_map.MOST
    laid = query_map.layout(people(hostile, [1.0] * query_map.MOST))
    assert 10 < len(laid.real) < query_map.MOST
    assert 10 < len(laid.written) < query_map.MOST
