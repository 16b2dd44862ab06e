"""The retriever that maps the queries' vectors."""

from collections.abc import Callable

import numpy as np
import pytest

from synalign.errors import ArgumentError
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train

NONE = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def test_an_adapter_without_vectors_is_refused(every_pair: Pairs, recipe: Callable[..., Recipe]) -> None:
    texts = [str(number) for number in range(24)]
    nothing = np.zeros((24, 0), np.float32)
    with pytest.raises(ArgumentError, match="embed queries and documents first"):
        train(Collection(texts, texts, nothing, nothing), every_pair, NONE, recipe("adapter"))
