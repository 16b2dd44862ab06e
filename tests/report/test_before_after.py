"""The map and what surrounds it: areas are weights, texts stay within their budget, unfinished runs say so."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from synalign.config import Configuration
from synalign.report import before_after, query_map
from synalign.report.material import Material
from synalign.report.population import Population, Queries, decided, population
from tests.report.runs import made_run

Make = Callable[..., Configuration]


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


@pytest.mark.parametrize(
    ("scheme", "schemes", "sentence"),
    [
        ("aligned", ["equal", "aligned"], "The training set has the aligned weights."),
        ("equal", ["equal", "aligned"], "distributed like what is called raw here"),
        (
            "equal_mass",
            ["equal", "aligned", "equal_mass"],
            "not chosen: the training set of this run has equal weight",
        ),
    ],
)
def test_the_weights_of_the_training_set_are_named(
    configuration: Make, scheme: str, schemes: list[str], sentence: str
) -> None:
    made = Material(made_run(configuration(), scheme=scheme))
    found = decided(made)
    assert found is not None
    assert found.schemes == schemes
    assert sentence in found.sentence
    sides = population(made)
    assert sides is not None
    assert list(sides.weights) == schemes
    assert all(values.mean() == pytest.approx(1.0) for values in sides.weights.values())


def test_rejected_queries_are_not_among_the_written_ones(configuration: Make) -> None:
    made = Material(made_run(configuration()))
    sides = population(made)
    assert sides is not None
    kept = [row["candidate_id"] for row in made.table("screening").to_pylist() if row["status"] == "accepted"]
    assert sides.written.ids == kept
    assert len(sides.real.ids) == made.table("queries").num_rows


@pytest.mark.parametrize(("until", "panels"), [("screen", 1), ("align", 1), ("evaluate", 2), ("assemble", 2)])
def test_an_unfinished_run_shows_what_there_is(configuration: Make, until: str, panels: int) -> None:
    section = before_after.section(Material(made_run(configuration(), until=until)))
    assert section is not None
    assert len(section.content["map"].panels) == panels
    assert len(section.content["legend"]) == panels + 1


def test_before_anything_is_written_there_is_no_picture(configuration: Make) -> None:
    assert before_after.section(Material(made_run(configuration(), until="generate"))) is None
