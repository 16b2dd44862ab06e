"""The traffic of two training sets: their distinct real queries, embedded alike, and how far they drifted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow.dataset as pads

from synalign.changes.drift import Drift, drift, sample
from synalign.changes.side import Side
from synalign.run.matrix import matrix
from synalign.tables import content_id

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.arrays.checks import Floats

_SAME = ("model", "revision", "precision")


def traffic_drift(before: Side, after: Side, *, seed: int = 0) -> Drift | None:
    """Measure how far the real queries of one set are from those of the other; None where a set has none.

    Every distinct query counts once, as it does in alignment.

    Raises:
        SetupError: Vectors must be made, and the encoder is missing.
    """
    first, second = _queries(before), _queries(after)
    if not first or not second:
        return None
    drawn = sample(first, second, seed=seed)
    return drift(drawn, _vectors(before, after, drawn.queries), len(first | second), seed=seed)


def _queries(side: Side) -> set[str]:
    real = side.rows.filter(pads.field("source") == "real")
    return set(real["query"].to_pylist())


def _vectors(before: Side, after: Side, queries: list[str]) -> Floats:
    """Return (n, d) float64 unit rows: the runs' own if one encoder made both, else the second encoder's."""
    ids = [content_id(query) for query in queries]
    kept = _kept(before, ids) | _kept(after, ids) if _alike(before, after) else {}
    missing = [place for place, identifier in enumerate(ids) if identifier not in kept]
    if missing:
        # Only where vectors are gone is the encoder loaded.
        from synalign.encoders.encode import encode

        made = encode([queries[place] for place in missing], after.configuration)
        kept |= dict(zip((ids[place] for place in missing), made, strict=True))
    return np.stack([kept[identifier] for identifier in ids]).astype(np.float64)


def _alike(before: Side, after: Side) -> bool:
    """Check that the vectors of both can be compared: one encoder, revision, precision and prompt, one cut."""
    first, second = (side.metrics("embed") for side in (before, after))
    cuts = {side.configuration.encoder.max_tokens for side in (before, after)}
    if first.get("query_prompt") != second.get("query_prompt"):
        return False
    return len(cuts) == 1 and all(name in first and first[name] == second.get(name) for name in _SAME)


def _kept(side: Side, ids: list[str]) -> dict[str, NDArray[np.float32]]:
    """Return the vectors that a run has of some queries, by id; none where the run is gone."""
    if side.run is None or "embed" not in side.manifests:
        return {}
    table = side.run.dataset("query_embeddings").to_table(filter=pads.field("id").isin(ids))
    found = table["id"].to_pylist()
    return dict(zip(found, matrix(table, found), strict=True))
