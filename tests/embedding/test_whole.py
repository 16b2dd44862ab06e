"""The ordinary loop, against the library as people call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synalign.embedding import whole
from synalign.embedding.prompts import Side

TEXTS = ["how to sort a list", "", "a", "how to sort a list", "word " * 50]


@pytest.mark.parametrize("kind", ["max", "dense", "static"])
@pytest.mark.parametrize("side", ["query", "document"])
def test_rows_are_the_librarys_of_length_one_in_the_order_of_the_texts(
    make_model: Callable[[str], str], kind: str, side: Side
) -> None:
    from sentence_transformers import SentenceTransformer

    model, done = whole.load(Path(make_model(kind)), 30), list[int]()
    library = SentenceTransformer(make_model(kind), device="cpu")
    if kind != "static":
        library.max_seq_length = 30
    expected = np.asarray(library.encode([f"so: {text}" for text in TEXTS], normalize_embeddings=True))
    np.testing.assert_allclose(whole.encode(model, TEXTS, side, "so: ", done.append), expected, atol=1e-5)
    assert sum(done) == len(TEXTS)
