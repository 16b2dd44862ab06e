"""The queries that pictures are made of: real ones and written ones, at most so many of each, with their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from synalign.config.schemes import ALIGNED, EQUAL, EQUAL_MASS, NAMES, NONE, SCHEMES
from synalign.errors import RunError
from synalign.run import some_rows
from synalign.run.matrix import matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.report.material import Material

MOST = 5_000
"""Most queries of a kind that are looked at: shares of them are good to 1.4 points at 95 %."""

SEED = 0
"""Of the draw, where there are more."""

KINDS: dict[str, str] = {EQUAL: "raw", EQUAL_MASS: "mass", ALIGNED: "weighted"}
"""The schemes' classes in the style sheet."""


class Queries(NamedTuple):
    """Some queries of one kind.

    Attributes:
        ids: (n,) their ids.
        texts: (n,) their texts.
        vectors: (n, d) float32, unit rows.
        total: How many there are, of which these are a sample.
    """

    ids: list[str]
    texts: list[str]
    vectors: NDArray[np.float32]
    total: int


class Population(NamedTuple):
    """Both sides of a run.

    Attributes:
        real: Distinct real queries of all splits.
        written: Accepted queries; all that were returned, where screening has not finished.
        weights: By scheme, (m,) weights of the written ones, as multiples of the mean over all accepted; first the
            equal ones, which are there always.
        screened: Whether screening has finished.
    """

    real: Queries
    written: Queries
    weights: dict[str, NDArray[np.float64]]
    screened: bool


class Decided(NamedTuple):
    """Which weights there are to show.

    Attributes:
        schemes: Equal weights first, then the aligned ones, then those of the training set where they are others.
        chosen: Those of the training set, `none` where it has no written query; None: nobody has chosen yet.
    """

    schemes: list[str]
    chosen: str | None

    @property
    def sentence(self) -> str:
        """What a reader must know before reading anything into the aligned weights."""
        if self.chosen is None:
            return "Which weights the training set gets is not decided yet."
        if self.chosen == ALIGNED:
            return "The training set has the aligned weights."
        if self.chosen == NONE:
            return (
                "None of these weights was chosen: the training set of this run is the real pairs alone, and has no "
                "written query."
            )
        also = ", so it is distributed like what is called raw here" if self.chosen == EQUAL else ""
        return f"The aligned weights were not chosen: the training set of this run has {NAMES[self.chosen]}{also}."


def decided(material: Material) -> Decided | None:
    """Return the weights that there are to show; None where there are none yet."""
    if not material.has("weights"):
        return None
    chosen = str(material.table("choice")["scheme"][0].as_py()) if material.has("choice") else None
    also = [chosen] if chosen in SCHEMES else []
    return Decided(list(dict.fromkeys([EQUAL, ALIGNED, *also])), chosen)


def accepted(material: Material) -> pa.Table:
    """Return the candidates that screening accepted, carried and new; all new ones where it has not finished."""
    if not material.has("screening"):
        return material.table("candidates")
    candidates = material.table("pool")
    screening = material.table("screening", ["candidate_id", "status"])
    kept = screening.filter(pc.equal(screening["status"], "accepted"))["candidate_id"]
    return candidates.filter(pc.is_in(candidates["candidate_id"], kept.combine_chunks()))


def weights(material: Material, scheme: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return candidate ids and their weights under a scheme, which sum to 1; in the table's order."""
    table = material.table("weights")
    rows = table.filter(pc.equal(table["scheme"], scheme))
    ids: list[str] = rows["candidate_id"].to_pylist()
    return ids, rows["weight"].to_numpy().astype(np.float64)


def multiples(material: Material, scheme: str) -> tuple[list[str], NDArray[np.float64]]:
    """Return `weights` as multiples of the mean."""
    ids, found = weights(material, scheme)
    return ids, found * len(found)


def vectors_of(material: Material, table: str, ids: Sequence[str]) -> NDArray[np.float32]:
    """Return vectors of some rows; the others are never held together.

    Raises:
        RunError: The table is not finished, or an id has no vector.
    """
    if not material.has(table):
        raise RunError(f"table {table!r} is not finished.")
    wanted = pads.field("id").isin(pa.array(sorted(set(ids)), pa.string()))
    return matrix(material.run.dataset(table).to_table(filter=wanted), list(ids))


def written_vectors(material: Material, ids: Sequence[str]) -> NDArray[np.float32]:
    """Return vectors of some written queries, carried or new; the others are never held together.

    Raises:
        RunError: A table is not finished, or an id has no vector.
    """
    if not material.has("candidate_embeddings", "carried_embeddings"):
        raise RunError("a table of vectors of written queries is not finished.")
    return some_rows.pool_vectors(material.run, list(ids))


def drawn(rows: int, most: int, seed: int = SEED) -> NDArray[np.int64]:
    """Draw at most `most` of `range(rows)` at random with a seed, ascending.

    Examples:
        >>> drawn(3, 5).tolist(), len(set(drawn(100, 5).tolist()))
        ([0, 1, 2], 5)
    """
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))


def population(material: Material) -> Population | None:
    """Return both sides of a run, in vectors; None where one is missing or has no query."""
    if not material.has("queries", "query_embeddings", "candidates", "candidate_embeddings", "carried_embeddings"):
        return None
    real = material.table("queries", ["query_id", "query"])
    written = accepted(material)
    if not real.num_rows or not written.num_rows:
        return None
    some = _queries(material, written, "candidate_id", "pool")
    return Population(
        _queries(material, real, "query_id", "query_embeddings"), some, _weights(material, some.ids),
        material.has("screening"),
    )  # fmt: skip


def _queries(material: Material, table: pa.Table, key: str, embeddings: str) -> Queries:
    some = table.select([key, "query"]).take(drawn(table.num_rows, MOST))
    ids = some[key].to_pylist()
    vectors = written_vectors(material, ids) if embeddings == "pool" else vectors_of(material, embeddings, ids)
    return Queries(ids, some["query"].to_pylist(), vectors, table.num_rows)


def _weights(material: Material, ids: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    found = {EQUAL: np.ones(len(ids))}
    shown = decided(material)
    for scheme in shown.schemes[1:] if shown else []:
        weight = dict(zip(*multiples(material, scheme), strict=True))
        found[scheme] = np.array([weight.get(identifier, 0.0) for identifier in ids])
    return found
