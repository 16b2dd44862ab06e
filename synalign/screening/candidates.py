"""The candidates that a filter judges, and its verdict on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.run.matrix import matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.config import Screening
    from synalign.run import Run


class Candidates(NamedTuple):
    """Candidates of a run: all, or those that no filter has rejected yet.

    Attributes:
        run: The run; a filter may read any table that the step *screen* reads.
        ids: (m,) candidate ids.
        queries: (m,) queries.
        documents: (m,) ids of their documents.
        rows: (m,) their rows in the table `candidates`.
        all_vectors: (n, d) float32, unit rows, for every row of that table.
    """

    run: Run
    ids: list[str]
    queries: list[str]
    documents: list[str]
    rows: NDArray[np.int64]
    all_vectors: NDArray[np.float32]

    @property
    def vectors(self) -> NDArray[np.float32]:
        """(m, d) float32, unit rows; copied each time, so ask once."""
        return self.all_vectors[self.rows]

    @property
    def settings(self) -> Screening:
        """The section `screening` of the configuration."""
        return self.run.configuration.screening

    def some(self, rows: NDArray[np.int64]) -> Candidates:
        """Return the candidates of some rows of these."""
        ids, queries, documents = ([each[row] for row in rows] for each in (self.ids, self.queries, self.documents))
        return self._replace(ids=ids, queries=queries, documents=documents, rows=self.rows[rows])


class Verdict(NamedTuple):
    """What a filter says of m candidates.

    Attributes:
        rejected: (m,) bool.
        scores: (m,) what decided it, such as a cosine or a rank.
    """

    rejected: NDArray[np.bool_]
    scores: NDArray[np.floating] | NDArray[np.int64]


def candidates_of(run: Run) -> Candidates:
    """Return all candidates of a run."""
    table = run.read("candidates")
    ids, queries, documents = (table[name].to_pylist() for name in ("candidate_id", "query", "document_id"))
    return Candidates(run, ids, queries, documents, np.arange(len(ids)), matrix(run.read("candidate_embeddings"), ids))
