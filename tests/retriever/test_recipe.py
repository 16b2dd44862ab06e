"""Recipes that cannot be."""

from collections.abc import Callable

import numpy as np
import pytest

from synalign.errors import ArgumentError
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train

NONE = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"retriever": "other"}, "adapter, static, full"),
        ({"steps": 0}, "steps"),
        ({"batch_size": 1}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": 1e38}, "lower it tenfold"),
        ({"seed": -1}, "seed"),
        ({"threads": 0}, "threads"),
    ],
)
def test_an_impossible_recipe_is_refused(
    change: dict[str, object],
    said: str,
    make_collection: Callable[[], Collection],
    every_pair: Pairs,
    recipe: Callable[..., Recipe],
) -> None:
    with pytest.raises(ArgumentError, match=said):
        train(make_collection(), every_pair, NONE, recipe("static")._replace(**change))
