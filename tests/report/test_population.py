"""The queries that pictures are made of: accepted ones, with the weights that there are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from synalign.config import Configuration
from synalign.report.material import Material
from synalign.report.population import decided, drawn, population
from tests.report.runs import made_run

Make = Callable[..., Configuration]


@pytest.mark.parametrize(
    ("scheme", "schemes", "sentence"),
    [
        ("aligned", ["equal", "aligned"], "The training set has the aligned weights."),
        ("none", ["equal", "aligned"], "the training set of this run is the real pairs alone"),
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


def test_a_draw_is_the_same_each_time_and_never_has_a_row_twice() -> None:
    assert drawn(1_000, 100).tolist() == sorted(set(drawn(1_000, 100).tolist()))
    assert drawn(1_000, 100).tolist() != drawn(1_000, 100, seed=1).tolist()
