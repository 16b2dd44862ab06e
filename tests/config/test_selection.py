"""The masses that validation queries choose among: the same set of numbers is the same setting."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from synalign.config import Configuration, Evaluation, mistakes

Make = Callable[..., Configuration]


def test_masses_are_kept_in_order_so_that_the_same_choice_has_one_fingerprint(configuration: Make) -> None:
    assert Evaluation().masses == (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
    one, other = (configuration(evaluation={"masses": masses}) for masses in ([4, 0, 0.5], [0.5, 4.0, -0.0]))
    assert one.evaluation.masses == other.evaluation.masses == (0.0, 0.5, 4.0)
    assert one.model_dump_json() == other.model_dump_json()


@pytest.mark.parametrize(
    ("masses", "rule"),
    [
        ([2.0, 0.5, 2], "must hold no number twice"),
        ([0.0, -0.0], "must hold no number twice"),
        ([], "list"),
        (list(range(13)), "list"),
        ([-0.1], "number from 0 to 100"),
        ([100.5], "number from 0 to 100"),
        ([float("nan")], "number from 0 to 100"),
        ([True], "number from 0 to 100"),
        (["2"], "number from 0 to 100"),
        (2.0, "list"),
        (None, "list"),
    ],
)
def test_what_is_no_list_of_masses_is_refused(configuration: Make, masses: Any, rule: str) -> None:
    with pytest.raises(ValidationError) as refused:
        configuration(evaluation={"masses": masses})
    said = mistakes.explain(refused.value, Configuration, "shop.yaml")[0]
    assert said.startswith("shop.yaml: evaluation.masses")
    assert rule in said
