"""A sentence-transformers model to train or to take token vectors from, and its tokens."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from synalign.config import Encoder
from synalign.embedding import whole
from synalign.embedding.encoder import folder
from synalign.errors import SetupError


def load(encoder: Encoder) -> Any:
    """Load a new `SentenceTransformer` on the CPU, in float32, which no other code holds.

    Raises:
        SetupError: The model is missing, or behind an endpoint.
    """
    place = folder(encoder)
    # Read by the tokenizer and the hub's client as they start: nothing is downloaded.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    return whole.load(place, encoder.max_tokens)


def token_vectors(model: Any) -> Tensor:
    """Return the model's input embeddings, (vocabulary, d) float32, detached.

    Raises:
        SetupError: It has none.
    """
    for part in model.modules():
        if isinstance(part, nn.Embedding | nn.EmbeddingBag):
            # The first is the vocabulary's: positions and token types come after it.
            return part.weight.detach().float()
    raise SetupError("the encoder has no token vectors.", remedy="set evaluation.retriever to `adapter` or `full`")


def token_numbers(model: Any, texts: list[str], most: int) -> list[NDArray[np.int64]]:
    """Each text's tokens, at most `most`, without the markers that a transformer wants.

    Raises:
        SetupError: The model has no tokenizer of the usual kinds.
    """
    tokenizer = getattr(model, "tokenizer", None)
    backend = getattr(tokenizer, "backend_tokenizer", tokenizer)
    if not hasattr(backend, "encode_batch"):
        raise SetupError(
            f"the encoder's tokenizer is a {type(tokenizer).__name__}, which cannot tokenise in batches.",
            remedy="set evaluation.retriever to `adapter` or `full`",
        )
    return [
        np.array(encoded.ids[:most], dtype=np.int64)
        for start in range(0, len(texts), 10_000)
        for encoded in _encoded(backend, texts[start : start + 10_000])
    ]


def _encoded(backend: Any, texts: list[str]) -> list[Any]:
    # The tokenizer is this model's alone: padding and cutting to a fixed length can be taken off it.
    backend.no_padding()
    backend.no_truncation()
    encoded: list[Any] = backend.encode_batch_fast(texts, add_special_tokens=False)
    return encoded
