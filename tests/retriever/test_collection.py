"""The data of training and evaluation: shapes that must fit."""

import numpy as np
import pytest

from synalign.errors import ArgumentError
from synalign.retriever.collection import Collection


def test_vectors_must_fit_their_texts_and_each_other() -> None:
    texts = [str(number) for number in range(24)]
    nothing = np.zeros((24, 0), np.float32)
    with pytest.raises(ArgumentError, match="must have the documents' 2 columns"):
        Collection(texts, texts, nothing, np.zeros((24, 2), np.float32))
    with pytest.raises(ArgumentError, match=r"must be \(24, d\)"):
        Collection(texts, texts, nothing[:3], nothing)
