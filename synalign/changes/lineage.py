"""What became of the written rows of one set in the other: carried on, new, left behind and why, weighed otherwise."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from synalign.changes.side import INTERVAL, Side
from synalign.config.schemes import NONE
from synalign.run import manifests
from synalign.screening.reasons import in_order
from synalign.tables import content_id

FACTOR = 2.0
"""A weight that changed by more than this factor, as a multiple of its set's mean, is told of."""

NOTHING = 1e-6
"""Multiples of the mean below this are rounding of zero."""


class Lineage(NamedTuple):
    """Written rows of two sets; a row is a query with its document.

    Attributes:
        carried: In both sets.
        new: In the second alone, and written in its interval.
        returned: In the second alone, and written in an earlier interval; 0 where the set does not say so.
        now_real: In the first as written, in the second as real pairs.
        rejected: Others of the first alone, which the second run judged again and rejected, by reason.
        left: Those of the first alone that the second run did not judge again: they were not taken up, or why they
            went is not known.
        left_because: How many candidates of all earlier intervals the second run did not take up, by reason; of what
            it has in its manifests, and so of more rows than `left` alone.
        up: Rows of both sets whose weight, as a multiple of the mean, grew by more than `FACTOR`.
        down: Rows of both sets whose weight fell by more than that.
        real_alone: Whether the second set has no written row because real pairs alone were chosen.
    """

    carried: int
    new: int
    returned: int
    now_real: int
    rejected: dict[str, int]
    left: int
    left_because: dict[str, int]
    up: int
    down: int
    real_alone: bool

    @property
    def went(self) -> int:
        """How many written rows of the first set are no written rows of the second."""
        return self.now_real + sum(self.rejected.values()) + self.left


def lineage(before: Side, after: Side) -> Lineage:
    """Find what became of the written rows of a set.

    Memory: a few strings per written row of both sets, and per row that the second run judged.
    """
    first, second = _written(before), _written(after)
    ids, later = first["pair_id"].to_pylist(), second["pair_id"].to_pylist()
    known, kept = set(ids), set(later)
    gone = known - kept
    real = set(after.rows.filter(pads.field("source") == "real")["pair_id"].to_pylist()) & gone
    rejected = _rejected(after, gone - real)
    came = [name for pair, name in zip(later, second[INTERVAL].to_pylist(), strict=True) if pair not in known]
    returned = sum(name is not None and name != after.interval for name in came)
    up, down = _reweighed(first, second)
    return Lineage(
        carried=len(known & kept),
        new=len(came) - returned,
        returned=returned,
        now_real=len(real),
        rejected=in_order(rejected),
        left=len(gone) - len(real) - rejected.total(),
        left_because=in_order(_counts(after.metrics("carry").get("left"))),
        up=up,
        down=down,
        real_alone=after.metrics("assemble").get("scheme") == NONE,
    )


def _written(side: Side) -> pa.Table:
    return side.rows.filter(pads.field("source") == "synthetic")


def _rejected(after: Side, gone: set[str]) -> Counter[str]:
    """Count rows that the second run rejected, by reason; none where its tables are gone, or of an older version."""
    screened = after.manifests.get("screen", {})
    if not gone or after.run is None or "pool" not in screened.get("tables", {}):
        return Counter()
    verdicts, pool = (
        manifests.dataset(manifests.files(after.run.folder / "screen", screened, table))
        for table in ("screening", "pool")
    )
    rejected = verdicts.to_table(["candidate_id", "reason"], filter=pads.field("status") == "rejected")
    reason = dict(zip(rejected["candidate_id"].to_pylist(), rejected["reason"].to_pylist(), strict=True))
    found: dict[str, str] = {}
    columns = ["candidate_id", "query", "document_id"]
    for batch in pool.to_batches(columns=columns):
        judged = batch.filter(pc.is_in(batch["candidate_id"], rejected["candidate_id"].combine_chunks()))
        for candidate, query, document in zip(*(judged[name].to_pylist() for name in columns), strict=True):
            pair = content_id(query, document)
            if pair in gone:
                found[pair] = reason[candidate]
    return Counter(found.values())


def _counts(found: Any) -> Counter[str]:
    return Counter({str(name): number for name, number in found.items()} if isinstance(found, dict) else {})


def _reweighed(first: pa.Table, second: pa.Table) -> tuple[int, int]:
    """Count rows of both whose multiple of the mean grew, or fell, by more than `FACTOR`.

    Of multiples, because every weight of a set falls where the set has more rows: that is no news of any row.
    """
    place = pc.index_in(first["pair_id"], second["pair_id"].combine_chunks())
    both = pc.is_valid(place)
    old, new = _multiples(first), _multiples(second)
    if not both.combine_chunks().true_count or old is None or new is None:
        return 0, 0
    was = old[np.asarray(both.to_numpy(zero_copy_only=False), dtype=bool)]
    now = new[place.filter(both).to_numpy()]
    was, now = (np.where(values < NOTHING, 0.0, values) for values in (was, now))
    return int(np.count_nonzero(now > FACTOR * was)), int(np.count_nonzero(was > FACTOR * now))


def _multiples(rows: pa.Table) -> np.ndarray | None:
    weights = rows["weight"].to_numpy().astype(np.float64)
    total = weights.sum()
    return weights * (len(weights) / total) if total > 0.0 else None
