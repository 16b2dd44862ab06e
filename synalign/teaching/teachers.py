"""Who scores pairs of a query and a document: a cross-encoder; `reranker` has a server, `grader` a language model.

The encoder itself is a teacher without a file here: its cosines are known since documents were mined.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from synalign.config import resolve
from synalign.embedding import model_files
from synalign.errors import SetupError
from synalign.run.manifests import file_digest
from synalign.tables import content_id
from synalign.text.normal import document_text

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.config import Teacher
    from synalign.progress import Advance


Asked = Sequence[tuple[str, Sequence[tuple[str, str]]]]
"""Queries, each with the title and the text of its documents."""


class Scorer(Protocol):
    """What scores documents for queries."""

    @property
    def spent(self) -> dict[str, Any]:
        """Return what its scores have cost, as metrics of the step; empty where they cost nothing.

        `requests`, `journal_hits`, `tokens`, `money`, `currency`; `not_scored`, how many documents have no score, and
        `over_budget`, how many requests the ceiling kept from being sent.
        """
        ...

    def scores(self, asked: Asked, advance: Advance) -> list[NDArray[np.float64]]:
        """Return (n,) float64 scores of the n documents of each query, the larger the better; NaN: none was given."""
        ...


def weights_digest(settings: Teacher) -> str:
    """Return the SHA-256 of the weights of a teacher's folder, of all weight files together.

    Raises:
        SetupError: It has none.
    """
    folder = _folder(settings)
    digests = [file_digest(path) for path in sorted(folder.rglob("*.safetensors"))]
    if not digests:
        raise SetupError(
            f"{folder} has no .safetensors weights.", remedy="save the model again; pickles are not loaded"
        )
    return content_id(*digests)


def _folder(settings: Teacher) -> Path:
    """Return the folder of a cross-encoder.

    Raises:
        SetupError: There is no such folder, or it has pickled weights alone, or an adapter.
    """
    folder = resolve(str(settings.model))
    if not (folder / "config.json").is_file():
        raise SetupError(
            f"teacher.model == {settings.model!r}, must be the folder of a cross-encoder.",
            remedy="save the model with CrossEncoder.save_pretrained and give that folder; nothing is downloaded",
        )
    model_files.no_pickles(folder)
    model_files.no_adapters(folder)
    return folder


class CrossEncoder:
    """A cross-encoder's folder, read by sentence-transformers; its scores are logits.

    Args:
        settings: `model` is the folder.

    Raises:
        SetupError: There is no such folder, or it cannot be loaded safely.
    """

    def __init__(self, settings: Teacher) -> None:
        folder = _folder(settings)
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        import torch
        from sentence_transformers import CrossEncoder as Library

        try:
            self._model: Any = Library(
                str(folder), device="cpu", trust_remote_code=False, max_length=settings.max_tokens,
                activation_fn=torch.nn.Identity(), model_kwargs={"use_safetensors": True},
            )  # fmt: skip
        except (OSError, ValueError, KeyError) as error:
            raise SetupError(
                f"teacher.model == {settings.model!r} cannot be loaded: {error}.",
                remedy="save the model again with CrossEncoder.save_pretrained",
            ) from error
        labels = int(getattr(self._model.config, "num_labels", 1))
        if labels != 1:
            raise SetupError(
                f"teacher.model == {settings.model!r}, has {labels} outputs, must have one: how well the document "
                "answers.",
                cause="a model for classification, such as natural language inference",
                remedy="name a reranker",
            )  # fmt: skip

    @property
    def spent(self) -> dict[str, Any]:
        """Return nothing: it costs no money."""
        return {}

    def scores(self, asked: Asked, advance: Advance) -> list[NDArray[np.float64]]:
        """Return the logits of the documents of each query."""
        found = []
        for query, documents in asked:
            pairs = [(query, document_text(*document)) for document in documents]
            logits = self._model.predict(pairs, show_progress_bar=False)
            found.append(np.asarray(logits, dtype=np.float64))
            advance()
        return found
