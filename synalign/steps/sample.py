"""The step *sample*: picks batches of real queries, and remembers what earlier intervals showed.

The mathematics is in `synalign.sampling`; here are only the tables around it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from synalign.arrays.checks import evenly_spaced
from synalign.errors import InputError
from synalign.progress import phases, progress
from synalign.run import Attempt, Run, some_rows
from synalign.run.memory import earlier_demonstrations, shown_earlier
from synalign.sampling import Selection, sample_demonstrations
from synalign.sampling.landmarks import by_traffic
from synalign.sampling.shares import share_batches
from synalign.tables import content_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.config import Sampling

log = logging.getLogger("synalign")

POOL = 500_000
"""Most draws of train queries that batches are picked among: 0.8 GB of vectors of width 384."""

SHOWN = 20_000
"""Most carried queries, evenly spaced, that count as shown: beyond that neighbours of others, mostly."""

_NAMES = ("batch_id", "position", "query_id", "role", "variance")


class Group(NamedTuple):
    """Train queries that batches are sampled among: all of them, or those of one label.

    Attributes:
        rows: Their rows among all train queries.
        batches: How many batches they give.
        neighbours: Queries in a batch beside its anchor.
    """

    rows: NDArray[np.int64]
    batches: int
    neighbours: int


outside = earlier_demonstrations
"""What the job asks for: see `synalign.steps.job.main`."""


def sample(attempt: Attempt) -> None:
    """Write `demonstrations`. For classification every batch is of one label, labels in the order of their names.

    Only queries of the split `train` are shown: what a model has seen must not be what it is judged on.

    Raises:
        InputError: There are too few queries for one batch.
    """
    settings = attempt.configuration.sampling
    queries, counts, known = _pool(attempt.run)
    ids = queries["query_id"].to_pylist()
    by_label = attempt.configuration.task == "classification"
    groups = _labels(queries, counts, settings) if by_label else [_everything(len(ids), settings)]
    batches = sum(group.batches for group in groups)
    if batches < settings.batches:
        log.warning("sample: %d train queries give %d batches, not %d", len(ids), batches, settings.batches)
    shown = _shown(attempt.run)
    vectors = some_rows.vectors(attempt.run, "query_embeddings", ids)
    # What takes long is one large group, or many small ones: each has its own count.
    with phases("sample") as report, progress("sample", len(groups), "labels") as advance:
        selections = []
        for group in groups:
            pick = partial(
                sample_demonstrations,
                vectors[group.rows],
                group.batches,
                group.neighbours,
                length_scale=settings.length_scale,
                noise=settings.noise,
                criterion=settings.criterion,
                breadth=settings.breadth,
                counts=counts[group.rows],
                report=None if by_label else report,
            )
            selections.append(_worth_asking(pick, shown, settings.stop_gain))
            if by_label:
                advance()
    rows = [
        row
        for group, selection in zip(groups, selections, strict=True)
        for row in _rows([ids[row] for row in group.rows], selection)
    ]
    attempt.write("demonstrations", pa.table(dict(zip(_NAMES, map(list, zip(*rows, strict=True)), strict=True))))
    asked = sum(len(selection.anchors) for selection in selections)
    attempt.metrics.update(
        {
            "batches": asked,
            "batches_asked_for": settings.batches,
            "batches_not_worth_asking": batches - asked,
            "train_queries": known,
            "pool": len(ids),
            "shown_earlier": 0 if shown is None else len(shown),
            "first_gain": float(selections[0].gain[0]),
            "last_gain": float(selections[-1].gain[-1]),
            "first_variance": float(selections[0].variance[0]),
            "last_variance": float(selections[-1].variance[-1]),
        }
    )
    if by_label:
        attempt.metrics["labels"] = len(groups)


def _shown(run: Run) -> NDArray[np.float32] | None:
    """Return the vectors of what counts as shown: earlier demonstrations, and what the pool holds."""
    found = [shown_earlier(run)]
    if run.configuration.pool.explored:
        ids = run.read("carried", ["candidate_id"])["candidate_id"]
        some = ids.take(pa.array(evenly_spaced(len(ids), SHOWN)))
        found.append(some_rows.vectors(run, "carried_embeddings", some.to_pylist()) if len(some) else None)
    there = [vectors for vectors in found if vectors is not None]
    return np.concatenate(there) if there else None


def _worth_asking(pick: Callable[..., Selection], shown: NDArray[np.float32] | None, least: float) -> Selection:
    """Pick batches, and leave out the last ones where they would gain too little; one is always asked for.

    Args:
        pick: Picks batches, given what was shown.
        shown: (s, d), what was shown before.
        least: Of the median gain of as many batches where nothing was shown before (`sampling.stop_gain`). The first
            of those gains alone is tens of times the others, so a mean would say little.
    """
    found = pick(shown=shown)
    if not least or shown is None:
        return found
    enough = found.gain >= least * np.median(pick(shown=None).gain)
    count = max(1, len(enough) if enough.all() else int(np.argmin(enough)))
    arrays = {name: getattr(found, name)[:count] for name in Selection._fields if name != "length_scale"}
    return found._replace(**arrays)


def _everything(count: int, settings: Sampling) -> Group:
    """Return all train queries as one group.

    Raises:
        InputError: They are too few for one batch.
    """
    if count <= settings.neighbours:
        raise InputError(
            f"{count} distinct train queries are too few for a batch of {settings.neighbours + 1}.",
            remedy="widen source.window_days, or lower sampling.neighbours",
        )
    batches = min(settings.batches, count // (settings.neighbours + 1))
    return Group(np.arange(count), batches, settings.neighbours)


def _pool(run: Run) -> tuple[pa.Table, NDArray[np.float64], int]:
    """Read the train queries that batches are picked among, what each counts, and how many train queries there are.

    All of them up to `POOL`. Beyond that, that many draws in proportion to the square root of a query's count, which is
    how a row is weighted when batches are picked: systematic, so always the same. A query that was drawn stands for
    those that were not, by the weight of its draws.
    """
    rows = some_rows.of_split(run, "queries", "train")
    known = len(rows)
    counts = some_rows.numbered(run, "queries", ["count"], rows)["count"].to_numpy().astype(np.float64)
    if known > POOL:
        drawn, weights = by_traffic(np.sqrt(counts), POOL)
        rows, counts = rows[drawn], np.square(weights)
        log.info("sample: batches are picked among %d of %d train queries, drawn by traffic", len(rows), known)
    return some_rows.numbered(run, "queries", ["query_id", "label"], rows), counts, known


def _labels(queries: pa.Table, counts: NDArray[np.float64], settings: Sampling) -> list[Group]:
    """Group train queries by label; a label with too few for a whole batch gives all it has.

    Raises:
        InputError: No train query has a label.
    """
    labels = queries["label"].to_numpy(zero_copy_only=False)
    names = sorted({label for label in labels.tolist() if label is not None})
    if not names:
        raise InputError("no train query has a label.", remedy="check source.columns.label, or widen the window")
    members = [np.flatnonzero(labels == name) for name in names]
    traffic = [round(float(counts[rows].sum())) for rows in members]
    size = settings.neighbours + 1
    shares = share_batches(traffic, list(map(len, members)), settings.batches, size, settings.label_balance)
    return [
        Group(rows, int(share), min(settings.neighbours, len(rows) - 1))
        for rows, share in zip(members, shares, strict=True)
        if share
    ]


def _rows(ids: list[str], selection: Selection) -> Iterator[tuple[str, int, str, str, float]]:
    for anchor, neighbours, variance in zip(*selection[:3], strict=True):
        members = [ids[anchor], *(ids[row] for row in neighbours)]
        batch_id = content_id(*members)
        for position, query_id in enumerate(members):
            role = "neighbour" if position else "anchor"
            yield batch_id, position, query_id, role, float(variance)
