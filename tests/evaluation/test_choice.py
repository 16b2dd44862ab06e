"""That the reason says what was compared, and never tells a tie as a win."""

import numpy as np
import pytest

from synalign.config import Alignment
from synalign.evaluation.choice import choose, configured, mass_of
from synalign.evaluation.ladder import Cell, Ladder, walk

REAL, EQUAL, ALIGNED = Cell(0.0, "none"), Cell(0.5, "equal"), Cell(2.0, "aligned")


def ladder(**means: float) -> Ladder:
    """Three arms on 40 queries and two trainings, each with a mean and noise of its own."""
    noise = np.random.default_rng(0).normal(0.0, 0.05, (3, 2, 40))
    noise -= noise.mean(axis=(1, 2), keepdims=True)
    known = {"real": REAL, "equal": EQUAL, "aligned": ALIGNED}
    scores = {cell: means[name] + noise[row] for row, (name, cell) in enumerate(known.items()) if name in means}
    return Ladder(walk(scores), scores)


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ({"real": 0.5, "equal": 0.6, "aligned": 0.4}, EQUAL),
        ({"real": 0.5, "equal": 0.6, "aligned": 0.7}, ALIGNED),
        ({"real": 0.5, "equal": 0.5, "aligned": 0.5}, REAL),
        ({"real": 0.5, "equal": 0.501, "aligned": 0.502}, REAL),
        ({"equal": 0.5, "aligned": 0.501}, EQUAL),
        ({"aligned": 0.5}, ALIGNED),
    ],
)
def test_the_champion_is_chosen(means: dict[str, float], expected: Cell) -> None:
    found = choose(ladder(**means))
    assert (found.mass, found.scheme) == expected
    assert found.validated


def test_the_reason_names_the_simpler_arm_and_by_how_much_it_was_beaten() -> None:
    found = choose(ladder(real=0.5, equal=0.4, aligned=0.7))
    start = "better than real pairs alone by more than one standard error on 40 validation queries: "
    assert found.reason.startswith(start + "nDCG@10 0.7000 at mass 2, +0.2000 \u00b1 0.0")


def test_a_tie_is_told_as_one() -> None:
    found = choose(ladder(real=0.5, equal=0.5005, aligned=0.5))
    start = "training with written queries is not better than real pairs alone by more than one standard error on 40 "
    assert found.reason.startswith(
        start + "validation queries: nDCG@10 0.5000, the best other equal at mass 0.5 +0.0005"
    )
    without_zero = choose(ladder(equal=0.5, aligned=0.5))
    assert without_zero.reason.startswith("any other arm is not better than equal at mass 0.5 by more than one")


def test_one_arm_alone_is_no_choice_and_says_so() -> None:
    assert choose(ladder(real=0.5)).reason == (
        "the only one of evaluation.masses: nDCG@10 0.5000 on 40 validation queries"
    )


def test_what_was_not_validated_says_so() -> None:
    found = configured(Alignment(scheme="equal", mass=3.0), "there is no query")
    assert found[:3] == ("equal", 3.0, False)
    assert found.reason.startswith("not validated: there is no query")


@pytest.mark.parametrize(
    ("row", "expected"),
    [({"scheme": "equal"}, 3.0), ({"scheme": "equal", "mass": 0.5}, 0.5), ({"scheme": "none", "mass": 0.0}, 0.0)],
)
def test_a_choice_of_before_masses_has_that_of_the_configuration(row: dict, expected: float) -> None:
    assert mass_of(row, Alignment(mass=3.0)) == expected
