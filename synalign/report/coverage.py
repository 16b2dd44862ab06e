"""How well demonstrations cover real traffic: what is left unknown after each batch, and how far unseen queries are.

Both are computed again from the run's tables, with the kernel that picked the batches (`synalign.sampling`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.arrays.checks import Points, evenly_spaced, median_distance
from synalign.report.population import drawn, vectors_of
from synalign.sampling.demonstrations import LENGTH_SCALE_SHARE, WATCHED_ROWS
from synalign.sampling.posterior import Posterior
from synalign.sampling.rows import Rows
from synalign.sampling.threads import own_threads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.report.material import Material

MOST_SHOWN = 3_000
"""Demonstrations that are followed, in the order they were picked: the cost grows with their cube."""

MOST_HELD_OUT = 1_000
"""Held-out queries whose distance is measured: they fix its mean to about a hundredth."""

DRAWS = 20
"""Random selections that ours is compared with."""

SEED = 0
"""Of the random selections."""


class Coverage(NamedTuple):
    """What T batches of demonstrations cover.

    Attributes:
        batches: How many there are, of which the first T are followed.
        uncertainty: (T,) mean posterior variance of the train queries after each batch; 1 with nothing shown.
        earlier: How many queries earlier intervals had shown, which count as shown here too.
        selected: (T,) mean cosine distance of held-out queries to the nearest demonstration, after each batch; None:
            no query is held out.
        random: (DRAWS, T) the same where each batch is as many train queries drawn at random.
        held_out: How many held-out queries it is the mean of.
    """

    batches: int
    uncertainty: NDArray[np.float64]
    earlier: int
    selected: NDArray[np.float64] | None
    random: NDArray[np.float64] | None
    held_out: int


def coverage(material: Material, earlier: NDArray[np.float32] | None) -> Coverage:
    """Measure the demonstrations of a run.

    Args:
        material: The run; its steps *embed* and *sample* are finished.
        earlier: (s, d) what earlier intervals showed.
    """
    queries = material.table("queries", ["query_id", "split"])
    ids = _ids_by_split(queries["query_id"].to_pylist(), queries["split"].to_pylist())
    train, test = ids["train"], [ids["test"][row] for row in drawn(len(ids["test"]), MOST_HELD_OUT)]
    shown, ends, batches = _order(material)
    watched = [train[row] for row in evenly_spaced(len(train), WATCHED_ROWS)]
    vectors = vectors_of(material, "query_embeddings", [*watched, *shown])
    uncertainty = _uncertainty(material, vectors, len(watched), ends, earlier)
    selected = random = None
    if test:
        held_out = vectors_of(material, "query_embeddings", test)
        selected = _distances(held_out, vectors[len(watched) :], ends)
        random = _random(material, held_out, train, ends)
    return Coverage(batches, uncertainty, 0 if earlier is None else len(earlier), selected, random, len(test))


def _ids_by_split(ids: Sequence[str], splits: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for identifier, split in zip(ids, splits, strict=True):
        found[split].append(identifier)
    return found


def _order(material: Material) -> tuple[list[str], NDArray[np.int64], int]:
    """Return query ids in the order shown, where each batch ends among them, and the number of batches."""
    table = material.table("demonstrations", ["batch_id", "query_id"])
    batch_ids = table["batch_id"].to_pylist()
    last = {batch: row + 1 for row, batch in enumerate(batch_ids)}
    ends = np.array([end for end in last.values() if end <= MOST_SHOWN] or [next(iter(last.values()))])
    return table["query_id"].to_pylist()[: ends[-1]], ends, len(last)


def _uncertainty(
    material: Material,
    vectors: NDArray[np.float32],
    watched: int,
    ends: NDArray[np.int64],
    earlier: NDArray[np.float32] | None,
) -> NDArray[np.float64]:
    """Return the mean exact posterior variance of the first `watched` rows after each batch of the others."""
    settings = material.configuration.sampling
    scale = settings.length_scale or LENGTH_SCALE_SHARE * median_distance(vectors[:watched].astype(np.float64))
    before = np.empty((0, vectors.shape[1]), np.float32) if earlier is None else earlier[-MOST_SHOWN:]
    rows = np.concatenate([before, vectors[watched:]]).astype(np.float64)
    with own_threads():
        posterior = Posterior(len(rows), rows.shape[1], scale)
        posterior.observe(Points.of(rows), np.full(len(rows), settings.noise))
        found = posterior.mean_variance(Rows.of(vectors), np.arange(watched), len(before) + ends)
    return np.asarray(found, dtype=np.float64)


def _distances(
    held_out: NDArray[np.float32], shown: NDArray[np.float32], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean cosine distance of held-out rows to the nearest row shown, after each batch."""
    nearest = np.maximum.accumulate(held_out @ shown.T, axis=1)
    means: NDArray[np.float64] = 1.0 - nearest[:, ends - 1].mean(axis=0, dtype=np.float64)
    return means


def _random(
    material: Material, held_out: NDArray[np.float32], train: Sequence[str], ends: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return distances after as many train queries drawn at random, again in each draw."""
    draws = np.random.default_rng(SEED)
    picks = [draws.permutation(len(train))[: ends[-1]] for _ in range(DRAWS)]
    needed = np.unique(np.concatenate(picks))
    vectors = vectors_of(material, "query_embeddings", [train[row] for row in needed])
    return np.stack([_distances(held_out, vectors[np.searchsorted(needed, pick)], ends) for pick in picks])
