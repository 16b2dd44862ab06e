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

NONE = Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def test_a_missing_model_is_named(
    make_collection: Callable[[], Collection], every_pair: Pairs, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    for kind in ("static", "full"):
        with pytest.raises(SetupError, match="nothing is downloaded"):
            train(make_collection(), every_pair, NONE, recipe(kind, encoder=Encoder(model=str(tmp_path))))
