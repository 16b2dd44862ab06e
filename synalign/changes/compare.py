"""Two training sets, compared."""

from __future__ import annotations

from typing import Any, NamedTuple

from synalign.changes.drift import Drift
from synalign.changes.figures import Figure, figures
from synalign.changes.lineage import Lineage, lineage
from synalign.changes.rows import Rows, changed_rows
from synalign.changes.settings import Difference, differences
from synalign.changes.side import Side
from synalign.changes.traffic import traffic_drift

_PLAIN = ("same", "drift", "rows", "lineage", "figures", "differences")


class Changes(NamedTuple):
    """What changed from one training set to another.

    Attributes:
        before: The first set.
        after: The second.
        same: Whether they are the same, to the byte.
        drift: Of the real queries; None where a set has none.
        rows: Which came, went and stayed, and what their weights did.
        lineage: What became of the written rows.
        figures: What the two refreshes measured.
        differences: What was done differently.
    """

    before: Side
    after: Side
    same: bool
    drift: Drift | None
    rows: Rows
    lineage: Lineage
    figures: tuple[Figure, ...]
    differences: tuple[Difference, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data for programs, under the names of the attributes."""
        sides = {
            name: {"name": one.name, "retriever": one.retriever, "interval": one.interval, "digest": digest(one)}
            for name, one in (("before", self.before), ("after", self.after))
        }
        found = {name: _plain(getattr(self, name)) for name in _PLAIN}
        return {**sides, **found}


def compare(before: Side, after: Side, *, seed: int = 0) -> Changes:
    """Compare two training sets.

    Args:
        before: The earlier set.
        after: The later set.
        seed: Seed of the sample of queries and of the permutations: the same sets give the same answer.

    Raises:
        SetupError: Vectors must be made, and the encoder is missing.
    """
    return Changes(
        before,
        after,
        digest(before) == digest(after),
        traffic_drift(before, after, seed=seed),
        changed_rows(before, after),
        lineage(before, after),
        figures(before, after),
        differences(before, after),
    )


def digest(side: Side) -> str:
    """Return the digest of a training set."""
    return str(side.manifests["assemble"]["tables"]["training_set"]["digest"])


def _plain(content: Any) -> Any:
    if isinstance(content, tuple) and hasattr(content, "_asdict"):
        return {name: _plain(value) for name, value in content._asdict().items()}
    if isinstance(content, tuple):
        return [_plain(value) for value in content]
    return {name: _plain(value) for name, value in content.items()} if isinstance(content, dict) else content
