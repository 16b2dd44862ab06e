"""Loading a model of sentence-transformers."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.errors import SetupError
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train
from synalign.retriever.whole_model import load

NONE = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def test_a_missing_model_is_named(
    make_collection: Callable[[], Collection], every_pair: Pairs, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    for kind in ("static", "full"):
        with pytest.raises(SetupError, match="nothing is downloaded"):
            train(make_collection(), every_pair, NONE, recipe(kind, encoder=Encoder(model=str(tmp_path))))


def test_an_encoder_behind_an_endpoint_is_refused_with_what_to_do() -> None:
    served = Encoder(model="m", endpoint="http://127.0.0.1:8080/v1")
    with pytest.raises(SetupError, match=r"(?s)runs at encoder\.endpoint.*`adapter`.*training\.model"):
        load(served)
