"""The ordinary loop: any model through `SentenceTransformer`'s own `encode_query` and `encode_document`.

It runs in float32, or in float16 where that is asked for.

Here, too, only texts of equal token count share a batch (`synalign.embedding.batches`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from synalign.embedding.batches import distinct, equal_length_batches, tokens_on

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from synalign.embedding.prompts import Side


def load(folder: Path, max_tokens: int, device: str = "cpu", precision: str = "float32") -> Any:
    """Load a new `SentenceTransformer`, which no other code holds; nothing is downloaded or run from it.

    Args:
        folder: A sentence-transformers folder.
        max_tokens: Longer texts are cut.
        device: Where it runs, in PyTorch's words.
        precision: `float32` or `float16`.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = SentenceTransformer(
        str(folder), device=device, trust_remote_code=False, model_kwargs={"use_safetensors": True}
    )
    # Bags of words, such as StaticEmbedding, read texts of any length and refuse a bound.
    with suppress(AttributeError):
        model.max_seq_length = max_tokens
    return model.half() if precision == "float16" else model


def encode(
    model: Any, texts: list[str], side: Side, prompt: str, advance: Callable[[int], None] | None = None
) -> NDArray[np.float32]:
    """Embed n texts, at least one, each with the prompt before it: (n, d) float32, unit rows, in their order."""
    embed = model.encode_query if side == "query" else model.encode_document
    counts = _token_counts(model, [prompt + text for text in texts])
    vectors: NDArray[np.float32] | None = None
    for rows in equal_length_batches(counts, tokens_on(model.device.type)):
        batch = [texts[row] for row in rows]
        # An empty prompt is said, too: without one, the model's own would be taken.
        found = embed(batch, prompt=prompt, batch_size=len(batch), convert_to_numpy=True, show_progress_bar=False)
        found = np.asarray(found, dtype=np.float32).reshape(len(batch), -1)
        if vectors is None:
            vectors = np.empty((len(texts), found.shape[1]), dtype=np.float32)
        vectors[rows] = found
        if advance is not None:
            advance(distinct(rows))
    assert vectors is not None  # there is a text, so there is a batch
    # A text of which nothing is left after tokenizing still has a vector; only an all-zero one cannot be scaled.
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))


def _token_counts(model: Any, texts: list[str]) -> list[int]:
    """Return the number of tokens of each text; all equal for models without a transformer's tokenizer."""
    from transformers import PreTrainedTokenizerBase

    tokenizer = getattr(model, "tokenizer", None)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        # Such as StaticEmbedding, a bag of words: nothing is padded.
        return [1] * len(texts)
    return [len(ids) for ids in tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]]
