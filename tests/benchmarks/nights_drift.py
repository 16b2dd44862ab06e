"""Nights on traffic that drifts: a real search log, day by day, judged on the queries of the next day.

The log (`bing_covid`, January 2020: interest explodes after the 21st) names no documents. Every distinct query seen up
to a day stands for the document that was found by it, so that documents are added as people ask for new things. Clicks
are the popularity that the log gives. The window is `WINDOW` days: with seven, nearly everything ever seen would stay
(1,790 of 1,798 queries on the 24th), and little would drift.

What is written is held against the next day by the squared MMD that alignment minimises, with the width of that night.
Nobody has seen the next day's queries, though many of them were asked before. Few queries are far from anything for
their number alone. What their pairs with themselves add can be taken off (as in the unbiased form of Gretton et al.,
JMLR 13, 2012); of aligned weights that takes off too much, the more the fewer they are, so it favours small sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from synalign.alignment.diagnostics import effective_sample_size, mmd2
from synalign.alignment.kernels import kernel_energy
from synalign.alignment.real_side import REAL_ROWS
from synalign.arrays.checks import evenly_spaced, median_distance
from synalign.config.schemes import ALIGNED
from synalign.run import Run, some_rows
from synalign.tables import content_id
from tests.benchmarks.datasets import bing_log
from tests.benchmarks.nights_steps import Way, encoded, midnight, night, run_of
from tests.benchmarks.nights_tables import Traffic

WINDOW = 3
"""Days of the log that a night sees (`source.window_days`)."""

WAYS = (Way("carried", {}), Way("nothing carried", {"pool": {"nights": 0}}))

POOLS = ("real queries today", "carried", "carried, equal", "nothing carried", "never weighed again")
"""What is held against the next day: the train queries of the window, for comparison; the carried pool with today's
aligned weights; the same with equal weights; what today wrote alone, aligned; and all that was written so far, every
night with an equal share and within it the weights of that night."""

_SOURCE = {"kind": "log", "path": "log", "documents": {"path": "documents"}, "window_days": WINDOW}
"""Its files are not read: see `tests.benchmarks.nights_tables`."""


class Written(NamedTuple):
    """Queries with weights.

    Attributes:
        vectors: (m, d) float32 unit rows.
        weights: (m,) float64, sum 1.
    """

    vectors: NDArray[np.float32]
    weights: NDArray[np.float64]


def traffic_of(log: pd.DataFrame, day: str) -> Traffic:
    """Return the window that ends with a day, and a document for every query seen so far.

    Args:
        log: `day`, `query` and `traffic`.
        day: Such as `2020-01-21`.
    """
    first = (midnight(day) - timedelta(days=WINDOW - 1)).date().isoformat()
    seen = log[log["day"] <= day]
    inside = seen[seen["day"] >= first]
    events = pd.DataFrame(
        {
            "query": inside["query"],
            "document_id": inside["query"].map(content_id),
            "count": inside["traffic"],
            "time": inside["day"].map(midnight),
        }
    )
    texts = pd.Series(sorted(set(seen["query"])))
    return Traffic(events, pd.DataFrame({"document_id": texts.map(content_id), "title": "", "text": texts}))


def days(data: Path, base: Path, first: str, last: str, batches: int) -> Iterator[dict[str, Any]]:
    """Do night after night, and yield how far what was written is from the next day.

    Args:
        data: Folder of public data sets.
        base: Folder of the runs.
        first: First day that is done.
        last: Last day that is judged on.
        batches: Of a night, at most: few queries give fewer.
    """
    log = bing_log(data / "bing_covid")
    calendar = sorted(day for day in set(log["day"]) if first <= day <= last)
    so_far: list[Written] = []
    for day, following in pairwise(calendar):
        traffic = traffic_of(log, day)
        carried, alone = (run_of(base, "bing", _SOURCE, way, midnight(day), batches) for way in WAYS)
        figures = {way.name: night(run, traffic) for way, run in zip(WAYS, (carried, alone), strict=True)}
        so_far += _written_today(carried)
        aligned = _aligned(carried)
        pools = dict(
            zip(POOLS, (_real(carried), aligned, _equal(aligned), _aligned(alone), _joined(so_far)), strict=True)
        )
        later = log[log["day"] == following]
        judged = encoded(later["query"].tolist(), carried.configuration.encoder)
        width = _width(pools["real queries today"].vectors)
        popularity = later["traffic"].to_numpy(np.float64)
        shares = {"once": np.full(len(later), 1.0 / len(later)), "traffic": popularity / popularity.sum()}
        yield {
            "day": day,
            "next": len(later),
            "queries": figures["carried"]["real"],
            "batches": figures["carried"]["batches"],
            "left": figures["carried"]["left"],
            "tokens": {way: found["tokens"] for way, found in figures.items()},
            "candidates": {name: len(pool.weights) for name, pool in pools.items()},
            "ess": {name: effective_sample_size(pool.weights) for name, pool in pools.items()},
            "mmd2": {
                counted: {name: _distance(pool, Written(judged, share), width) for name, pool in pools.items()}
                for counted, share in shares.items()
            },
            "number": {name: _by_number(pool, width) for name, pool in pools.items()},
        }


def _real(run: Run) -> Written:
    """Return the train queries of the window, each once."""
    rows = some_rows.of_split(run, "queries", "train")
    ids = some_rows.numbered(run, "queries", ["query_id"], rows)["query_id"].to_pylist()
    return Written(some_rows.vectors(run, "query_embeddings", ids), np.full(len(ids), 1.0 / len(ids)))


def _width(train: NDArray[np.float32]) -> float:
    """Return the kernel's width that the step *align* chose."""
    return median_distance(train[evenly_spaced(len(train), REAL_ROWS)].astype(np.float64))


def _aligned(run: Run) -> Written:
    weights = run.read("weights").filter(pc.field("scheme") == ALIGNED)
    ids = weights["candidate_id"].to_pylist()
    return Written(some_rows.pool_vectors(run, ids), weights["weight"].to_numpy())


def _equal(pool: Written) -> Written:
    return pool._replace(weights=np.full(len(pool.weights), 1.0 / len(pool.weights)))


def _written_today(run: Run) -> list[Written]:
    """Return what the night wrote itself, with the weights that it found for these; nothing where all are 0."""
    weights = run.read("weights").filter(pc.field("scheme") == ALIGNED)
    pool = run.read("pool", ["candidate_id", "interval"])
    new = pool.filter(pc.field("interval") == run.interval.name)["candidate_id"].combine_chunks()
    weights = weights.filter(pc.is_in(weights["candidate_id"], new))
    masses = weights["weight"].to_numpy()
    if not masses.sum() > 0.0:
        return []
    return [Written(some_rows.pool_vectors(run, weights["candidate_id"].to_pylist()), masses / masses.sum())]


def _joined(nights: list[Written]) -> Written:
    """Join nights, each with the same share."""
    weights = np.concatenate([night.weights for night in nights]) / len(nights)
    return Written(np.concatenate([night.vectors for night in nights]), weights)


def _distance(pool: Written, later: Written, width: float) -> float:
    """Return the squared MMD between written queries and later ones."""
    return mmd2(*_tensors(pool), *_tensors(later), [width])


def _by_number(some: Written, width: float) -> float:
    """Return what pairs of a row with itself add to a squared MMD.

    Returns:
        w'Kw minus the same without its diagonal, scaled up to a whole; 0 for a single row, of which nothing is known.
    """
    rows, masses = _tensors(some)
    energy, itself = kernel_energy(rows, masses, [width]), float(masses.square().sum())
    return energy - (energy - itself) / (1.0 - itself) if len(rows) > 1 and itself < 1.0 else 0.0


def _tensors(some: Written) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(some.vectors.astype(np.float64)), torch.from_numpy(some.weights.copy())
