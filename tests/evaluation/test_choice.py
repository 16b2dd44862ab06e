import pytest

from synalign.evaluation.choice import choose, configured


@pytest.mark.parametrize(
    ("equal", "equal_mass", "aligned", "expected"),
    [
        (0.5, 0.4, 0.4, "equal"),
        (0.4, 0.5, 0.4, "equal_mass"),
        (0.4, 0.4, 0.5, "aligned"),
        (0.5, 0.5, 0.5, "aligned"),
        (0.5, 0.5, 0.4, "equal_mass"),
        (0.5, 0.4, 0.5, "aligned"),
        (0.0, 0.0, 0.0, "aligned"),
    ],
)
def test_the_best_on_validation_queries_is_chosen(
    equal: float, equal_mass: float, aligned: float, expected: str
) -> None:
    means = {"equal": equal, "equal_mass": equal_mass, "aligned": aligned, "control": 1.0, "unweighted": 1.0,
             "random_subset": 1.0}  # fmt: skip
    found = choose(means, 40)
    assert (found.scheme, found.validated) == (expected, True)
    assert "40 validation queries" in found.reason


def test_the_reason_gives_what_was_compared() -> None:
    found = choose({"equal": 0.31, "equal_mass": 0.32, "aligned": 0.30}, 1)
    assert found.reason == ("best of three on 1 validation query: nDCG@10 0.3200, against aligned 0.3000, equal 0.3100")


def test_what_was_not_validated_says_so() -> None:
    found = configured("equal", "there is no query")
    assert (found.scheme, found.validated) == ("equal", False)
    assert found.reason.startswith("not validated: there is no query")
