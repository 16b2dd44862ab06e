"""A night of the product's own steps, up to the weights, without Spark: what it wrote, spent and covered.

Real are the steps *carry*, *sample*, *generate* (with the embedded writer), *screen* and *align*. The tables of
*ingest* and the vectors, which Spark makes, come from the same functions in this process.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synalign.config import Configuration, Encoder
from synalign.run import Attempt, Interval, Run
from synalign.steps import align, carry, generate, mine, sample, screen, teach
from synalign.steps.job import perform
from synalign.storage import Place
from synalign.tables import content_id
from synalign.text.normal import document_text
from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.nights_tables import Traffic, ingest

_TEXTS = {
    "query_embeddings": ("queries", "query_id"),
    "document_embeddings": ("documents", "document_id"),
    "carried_embeddings": ("carried", "candidate_id"),
    "candidate_embeddings": ("candidates", "candidate_id"),
}
_VECTORS: dict[str, NDArray[np.float32]] = {}
"""By content id of the text; most texts of a night were there the night before."""


class Way(NamedTuple):
    """A way to spend the tokens.

    Attributes:
        name: Of the way.
        settings: What differs from the defaults.
        nights: How many, where that is not the number of days in a log.
    """

    name: str
    settings: dict[str, Any]
    nights: int = 1

    @property
    def folder(self) -> str:
        """Its name as one of a folder."""
        return self.name.replace(", ", "-").replace(" ", "-")


def run_of(base: Path, retriever: str, source: dict[str, Any], way: Way, start: datetime, batches: int) -> Run:
    """Return the run of a day: defaults, but for the number of batches and what the way has otherwise.

    Args:
        base: Folder of all ways.
        retriever: Name of the retriever.
        source: Its source, which is not read.
        way: The way.
        start: Of the day.
        batches: Of demonstrations, where the way does not say.
    """
    content: dict[str, Any] = {
        "retriever": retriever,
        "schedule": {"start": "2020-01-01"},
        "source": source,
        "sampling": {"batches": batches},
        # The same vectors on any machine.
        "encoder": {"precision": "float32"},
        # Retrievers learn from pairs alone here: `bench-effectiveness` has what negatives and a teacher add.
        "negatives": {"per_pair": 0},
        # All but names, whose model takes more time than all other steps.
        "generation": {"redact": ["email", "phone", "card", "ip", "digits"]},
    }
    for section, values in way.settings.items():
        content[section] = {**content.get(section, {}), **values}
    interval = Interval(start, start + timedelta(days=1))
    return Run(Configuration.model_validate(content), interval, Place(base / way.folder))


def midnight(day: str) -> datetime:
    """Return the beginning of a day, UTC."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


class Ingest(Protocol):
    """Writes the tables of the step *ingest*."""

    def __call__(self, attempt: Attempt, traffic: Traffic) -> None:
        """Write `queries`, `documents`, `pairs` and `rejected`."""


def night(run: Run, traffic: Traffic, ingest: Ingest = ingest) -> dict[str, Any]:
    """Do the steps up to the weights, or reuse them, and return the night's figures."""
    started = time.monotonic()
    perform(run, "ingest", partial(ingest, traffic=traffic), {"traffic": traffic.digest})
    perform(run, "carry", carry.carry, carry.outside(run))
    perform(run, "embed", _embed)
    perform(run, "sample", sample.sample, sample.outside(run))
    perform(run, "generate", generate.generate, generate.outside(run))
    perform(run, "embed_candidates", _embed)
    perform(run, "screen", screen.screen)
    perform(run, "align", align.align)
    perform(run, "mine", mine.mine)
    perform(run, "teach", teach.teach)
    return {**_figures(run), "seconds": round(time.monotonic() - started, 1)}


def _figures(run: Run) -> dict[str, Any]:
    metrics = {step: run.require(step)["metrics"] for step in ("carry", "sample", "generate", "screen", "align")}
    weighed = metrics["align"]
    return {
        "tokens": metrics["generate"]["tokens_in"] + metrics["generate"]["tokens_out"],
        "batches": metrics["sample"]["batches"],
        "gains": [metrics["sample"]["first_gain"], metrics["sample"]["last_gain"]],
        "carried": metrics["screen"]["carried"]["accepted"],
        "left": metrics["carry"]["left"],
        "real": weighed["real"],
        "candidates": weighed["synthetic"],
        "documents": weighed["documents"],
        "mmd2": [weighed.get("mmd2_held_out_before"), weighed.get("mmd2_held_out_after")],
        "ess": weighed["effective_sample_size"],
    }


def _embed(attempt: Attempt) -> None:
    """Do what the steps `embed` and `embed_candidates` do."""
    for target in attempt.step.writes:
        table, key = _TEXTS[target]
        rows = attempt.run.read(table)
        if table == "documents":
            pairs = zip(rows["title"].to_pylist(), rows["text"].to_pylist(), strict=True)
            texts = [document_text(title, text) for title, text in pairs]
        else:
            texts = rows["query"].to_pylist()
        vectors = encoded(texts, attempt.configuration.encoder)
        attempt.write(target, pa.table({"id": rows[key], "embedding": pa.array(list(vectors), pa.list_(pa.float32()))}))


def encoded(texts: list[str], settings: Encoder) -> NDArray[np.float32]:
    """(n, d) float32 unit rows; what is new is kept in a file of its own, so that no run reads another's half."""
    from synalign.embedding.encoder import encode

    folder = kept_folder() / "nights-vectors"
    folder.mkdir(exist_ok=True)
    if not _VECTORS:
        for path in sorted(folder.glob("*.npz")):
            kept = np.load(path)
            _VECTORS.update(zip(kept["ids"].tolist(), kept["vectors"], strict=True))
    ids = [content_id(text) for text in texts]
    new = {id: text for id, text in zip(ids, texts, strict=True) if id not in _VECTORS}
    if new:
        vectors = encode(list(new.values()), settings)
        _VECTORS.update(zip(new, vectors, strict=True))
        draft = folder / f"draft-{os.getpid()}"
        with open(draft, "wb") as file:
            np.savez(file, ids=np.array(list(new)), vectors=vectors)
        draft.rename(folder / f"{content_id(*new)}.npz")
    return np.stack([_VECTORS[id] for id in ids]) if ids else np.empty((0, 0), np.float32)
