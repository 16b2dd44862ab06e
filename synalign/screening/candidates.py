"""The candidates that a filter judges, and its verdict on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.run import some_rows
from synalign.tables import schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from synalign.arrays.tally import Report
    from synalign.config import Screening
    from synalign.run import Run


class Candidates(NamedTuple):
    """Candidates of a run: all, or those that no filter has rejected yet.

    Attributes:
        run: The run; a filter may read any table that the step *screen* reads.
        ids: (m,) candidate ids.
        queries: (m,) queries.
        documents: (m,) ids of their documents.
        rows: (m,) their rows in the table `pool`.
        all_vectors: (n, d) float32, unit rows, for every row of that table.
        grades: Gives (m,) grades of some candidates by a model, NaN for those without one; None: no model is asked.
    """

    run: Run
    ids: list[str]
    queries: list[str]
    documents: list[str]
    rows: NDArray[np.int64]
    all_vectors: NDArray[np.float32]
    grades: Callable[[Candidates, Report], NDArray[np.float64]] | None = None

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


def candidates_of(run: Run, pool: pa.Table) -> Candidates:
    """Return all candidates of a run, in the order of the table `pool`: of two alike the earlier one stays."""
    ids, queries, documents = (pool[name].to_pylist() for name in ("candidate_id", "query", "document_id"))
    return Candidates(run, ids, queries, documents, np.arange(len(ids)), some_rows.pool_vectors(run, ids))


def pool_of(run: Run) -> pa.Table:
    """Return the table `pool`: carried candidates, then those of this interval.

    What was carried and is written again, with the same id, is new.
    """
    new, carried = run.read("candidates"), run.read("carried")
    requests = run.read("requests", ["request_id", "model", "prompt_version"])
    made_by = requests.take(pc.index_in(new["request_id"], requests["request_id"].combine_chunks()))
    new = new.append_column("interval", pa.array([run.interval.name] * len(new), pa.string()))
    for name in ("model", "prompt_version"):
        new = new.append_column(name, made_by[name])
    again = pc.is_in(carried["candidate_id"], new["candidate_id"].combine_chunks())
    parts = (carried.filter(pc.invert(again)), new)
    return pa.concat_tables([part.select(schema("pool").names).cast(schema("pool")) for part in parts])
