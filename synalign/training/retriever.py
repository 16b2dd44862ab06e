"""A retriever as it is judged: a sentence-transformers model that ranks all documents for a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from synalign.config import Encoder
from synalign.embedding.encoder import prompts
from synalign.errors import ArgumentError
from synalign.retriever.measures import measure
from synalign.retriever.ranking import rank
from synalign.retriever.whole_model import load

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.training.corpus import Judged

MEASURE, DEPTH = "ndcg_at_10", 10
"""What retrievers are compared by, and the depth that it looks at."""

_BATCH = 64


def retriever(model: str, max_tokens: int, device: str, encoder: Encoder | None = None) -> Any:
    """Load a model as a new `SentenceTransformer` on a device.

    What it puts before queries and documents goes with it wherever it is saved.

    Args:
        model: A folder, or a name as in `encoder.model`.
        max_tokens: Longer texts are cut.
        device: `cpu` or `cuda`.
        encoder: Its prompts hold where it is this model; else the model's own.

    Raises:
        SetupError: The model is missing, or brings pickles or code of its own.
    """
    settings = Encoder(model=model, max_tokens=max_tokens)
    if encoder is not None and encoder.model == model:
        settings = encoder.model_copy(update={"max_tokens": max_tokens})
    loaded = load(settings).to(device)
    before = prompts(settings)
    loaded.prompts = {**loaded.prompts, "query": before.query, "document": before.document}
    return loaded


def scores(model: Any, documents: list[str], judged: Judged) -> NDArray[np.float64]:
    """Return nDCG@10 of each judged query, by exact search over all documents.

    Prompts for queries and documents are those that the model itself names.

    Returns:
        (q,) float64 in [0, 1].

    Raises:
        ArgumentError: A vector is not finite: the training left the finite numbers.
    """
    if not judged.queries:
        return np.zeros(0)
    options = {"batch_size": _BATCH, "normalize_embeddings": True, "show_progress_bar": False}
    queries, found = (
        np.asarray(encode(texts, **options), dtype=np.float32)
        for encode, texts in ((model.encode_query, judged.queries), (model.encode_document, documents))
    )
    if not (np.isfinite(queries).all() and np.isfinite(found).all()):
        raise ArgumentError("learning_rate", "too high", "left the finite numbers", remedy="lower it tenfold")
    return measure(rank(queries, found, DEPTH), judged.relevant, [MEASURE])[MEASURE]
