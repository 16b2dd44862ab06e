"""What of earlier intervals is taken up today, and why the rest is not.

Reasons here are those that need no vector: the document, the demonstrations, the writer, the weights of the last
nights. What is taken up is judged with today's candidates by the step *screen*, by all its filters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from synalign import tables
from synalign.pool.nights import Night
from synalign.pool.today import Today
from synalign.tables import content_id

NOTHING = 1e-6
"""A weight below this share of the mean weight is 0: the solver's tolerance is above it."""

Mask = NDArray[np.bool_]


class Carried(NamedTuple):
    """What is taken up.

    Attributes:
        rows: A table `carried`, oldest interval first.
        found: How many accepted, or not yet judged, candidates the earlier intervals have.
        left: How many of them stay behind, by reason, in the order of the tests.
        nights: How many intervals gave something.
    """

    rows: pa.Table
    found: int
    left: dict[str, int]
    nights: int


class Standing(NamedTuple):
    """How candidates were weighed lately.

    Attributes:
        latest: (n,) float64, the aligned weight as a multiple of the mean, of the last interval that weighed each;
            infinite where none did.
        idle: (n,) int64, for how many intervals in a row, up to that one, the weight was 0.
    """

    latest: NDArray[np.float64]
    idle: NDArray[np.int64]


def written(nights: list[Night]) -> pa.Table:
    """Return what earlier intervals wrote and accepted, or have not judged yet, as a table `carried`."""
    found = [night.written() for night in nights if night.can_be_carried()]
    return pa.concat_tables([tables.schema("carried").empty_table(), *found]).combine_chunks()


def whole_batches(nights: list[Night]) -> dict[str, list[str]]:
    """Return the ids of the queries that each batch showed, of the batches that are still whole.

    A batch's id is made of its queries' ids: where a query was forgotten, the rest makes another.
    """
    return {
        batch_id: members
        for night in nights
        for batch_id, members in night.shown().items()
        if content_id(*members) == batch_id
    }


def sifted(rows: pa.Table, nights: list[Night], batches: Mapping[str, Sequence[str]], today: Today) -> Carried:
    """Leave behind what cannot be taken up.

    Args:
        rows: What the intervals wrote (`written`).
        nights: Earlier intervals, oldest first.
        batches: What their batches showed (`whole_batches`).
        today: What their candidates are held against.

    Returns:
        What is taken up; `found` is the number of its rows and of all that is left.
    """
    standing = _standing(nights, rows["candidate_id"])
    staying = np.ones(len(rows), dtype=bool)
    left: dict[str, int] = {}
    for reason, mask in _reasons(rows, nights, batches, today, standing):
        left[reason] = int(np.count_nonzero(staying & mask))
        staying &= ~mask
    kept = np.flatnonzero(staying)
    most = today.configuration.pool.max_candidates
    left["over_limit"] = max(0, len(kept) - most)
    if len(kept) > most:
        # Heaviest first, of equal ones the newest; a candidate that was never weighed has not had its chance yet.
        order = np.lexsort((-kept, -standing.latest[kept]))
        kept = np.sort(kept[order[:most]])
    taken = rows.take(pa.array(kept))
    return Carried(
        taken,
        len(rows),
        {reason: count for reason, count in left.items() if count},
        len(set(taken["interval"].to_pylist())),
    )


def _reasons(
    rows: pa.Table, nights: list[Night], batches: Mapping[str, Sequence[str]], today: Today, standing: Standing
) -> Iterator[tuple[str, Mask]]:
    """Yield each reason with the rows that it is true of, in the order of the tests."""
    settings = today.configuration
    yield "written_again", _repeated(rows["candidate_id"])
    if settings.pool.writer == "current":
        yield "other_writer", _by_others(rows, nights, today)
    named = set(rows["batch_id"].to_pylist())
    yield "batch_incomplete", _among(rows["batch_id"], named - batches.keys())
    judging = {batch for batch in named & batches.keys() if not today.held_out.isdisjoint(batches[batch])}
    yield "held_out_shown", _among(rows["batch_id"], judging)
    digests = [today.documents.get(document) for document in rows["document_id"].to_pylist()]
    then = rows["document_digest"].to_pylist()
    yield "document_gone", np.array([digest is None for digest in digests], bool)
    yield "document_changed", np.array([now != old for now, old in zip(digests, then, strict=True)], bool)
    yield "over_length", _mask(pc.greater(pc.utf8_length(rows["query"]), settings.ingest.max_query_characters))
    if settings.pool.retire_after:
        yield "retired", standing.idle >= settings.pool.retire_after


def _repeated(ids: pa.ChunkedArray) -> Mask:
    """Tell ids that an earlier row has: the same request, asked again and answered in the same words."""
    _, first, inverse = np.unique(_numbers(ids), return_index=True, return_inverse=True)
    return first[inverse] != np.arange(len(ids))


def _by_others(rows: pa.Table, nights: list[Night], today: Today) -> Mask:
    """Tell rows of another model, or of a batch that was asked with other prompts: for attributes, or for queries."""
    model = today.configuration.generation.model
    others = {night.interval for night in nights if night.model != model}
    batches = {
        (night.interval, batch)
        for night in nights
        if night.interval not in others
        for batch in night.asked_otherwise(today.prompt_versions)
    }
    asked = zip(rows["interval"].to_pylist(), rows["batch_id"].to_pylist(), strict=True)
    return np.array([interval in others or (interval, batch) in batches for interval, batch in asked], bool)


def _numbers(ids: pa.ChunkedArray) -> NDArray[np.int64]:
    encoded = ids.combine_chunks().dictionary_encode()
    return encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)


def _standing(nights: list[Night], ids: pa.ChunkedArray) -> Standing:
    """Find how candidates were weighed, going back from the latest interval."""
    found = Standing(np.full(len(ids), np.inf), np.zeros(len(ids), dtype=np.int64))
    weighed, ended = np.zeros(len(ids), dtype=bool), np.zeros(len(ids), dtype=bool)
    for night in reversed(nights):
        weights = night.weights()
        if not len(weights):
            continue
        rows = pc.index_in(ids, weights["candidate_id"].combine_chunks())
        here = _mask(pc.is_valid(rows))
        multiples = weights["weight"].to_numpy() * len(weights)
        of = multiples[rows.filter(pc.is_valid(rows)).to_numpy()]
        values = np.zeros(len(ids))
        values[here] = of
        first = here & ~weighed
        found.latest[first] = values[first]
        weighed |= here
        idle = here & ~ended & (values < NOTHING)
        found.idle[idle] += 1
        ended |= here & (values >= NOTHING)
    return found


def _among(values: pa.ChunkedArray, some: set[str]) -> Mask:
    return _mask(pc.is_in(values, pa.array(sorted(some), pa.string())))


def _mask(values: pa.ChunkedArray) -> Mask:
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=bool)
