"""What pairs have beside them: hard negatives and a teacher's scores, read from the table `scores`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.tables import content_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from synalign.retriever.collection import Pairs
    from synalign.run import Run


class Taught:
    """The hard negatives that nobody objects to, by pair.

    Args:
        run: A run whose step *teach* is finished.

    Attributes:
        documents: Ids of all negatives, those of many pairs first.
        lost: Pairs whose own document the teacher objects to; of these, written ones are not trained on.
    """

    def __init__(self, run: Run) -> None:
        rows = run.read("scores")
        own = pc.equal(rows["rank"], 0)
        lost = rows.filter(pc.and_(own, pc.is_valid(rows["objection"])))
        self.lost = set(lost["pair_id"].to_pylist())
        self._own = dict(zip(*(rows.filter(own)[name].to_pylist() for name in ("pair_id", "score")), strict=True))
        kept = rows.filter(pc.and_(pc.invert(own), pc.is_null(rows["objection"]))).sort_by("rank")
        self._negatives: dict[str, list[tuple[str, float | None]]] = {}
        columns = (kept[name].to_pylist() for name in ("pair_id", "document_id", "score"))
        for pair, document, score in zip(*columns, strict=True):
            self._negatives.setdefault(pair, []).append((document, score))
        counts = kept.group_by("document_id").aggregate([("pair_id", "count")])
        order = counts.sort_by([("pair_id_count", "descending"), ("document_id", "ascending")])
        self.documents: list[str] = order["document_id"].to_pylist()

    @property
    def most(self) -> int:
        """The most negatives of a pair."""
        return max((len(found) for found in self._negatives.values()), default=0)

    def left(self, written: pa.Table) -> pa.Table:
        """Return the written pairs whose own document the teacher did not object to.

        Args:
            written: Columns `query` and `document_id`.
        """
        if not self.lost:
            return written
        return written.filter(pa.array([name not in self.lost for name in _ids(written)], pa.bool_()))

    def beside(self, pairs: Pairs, rows: pa.Table, places: Mapping[str, int]) -> Pairs:
        """Return pairs with their negatives and scores.

        Args:
            pairs: p pairs.
            rows: Their columns `query` and `document_id`, in the same order.
            places: Places of documents in the collection; a negative without one is left out.
        """
        if not self.most:
            return pairs
        negatives = np.full((len(pairs.query), self.most), -1, dtype=np.int64)
        scores = np.full((len(pairs.query), 1 + self.most), np.nan)
        for row, name in enumerate(_ids(rows)):
            scores[row, 0] = _number(self._own.get(name))
            found = [
                (places[document], score) for document, score in self._negatives.get(name, ()) if document in places
            ]
            for column, (place, score) in enumerate(found):
                negatives[row, column], scores[row, 1 + column] = place, _number(score)
        return pairs._replace(negatives=negatives, scores=_given(scores))


def _ids(rows: pa.Table) -> list[str]:
    columns = (rows["query"].to_pylist(), rows["document_id"].to_pylist())
    return [content_id(query, document) for query, document in zip(*columns, strict=True)]


def _number(score: float | None) -> float:
    return np.nan if score is None else score


def _given(scores: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return scores; None where nobody gave one."""
    return scores if np.isfinite(scores).any() else None
