"""What is mined for, and among what: a block of pairs, and the collection in parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from numpy.typing import NDArray


class Part(NamedTuple):
    """Some documents of the collection.

    Attributes:
        ids: n ids; an array of Arrow's is taken as it is.
        content: What is needed of them: (n, d) float32 unit rows, or n texts.
    """

    ids: Sequence[str] | pa.StringArray
    content: NDArray[np.float32] | Sequence[str]


class Block(NamedTuple):
    """Some train pairs.

    Attributes:
        ids: p ids.
        queries: p texts.
        vectors: (p, d) float32 unit rows, of the queries.
        positives: p ids of documents.
        positive_vectors: (p, d) float32 unit rows, of these documents.
        chosen: For each pair the documents that are right for its query, its own among them.
        worded: For each pair what BM25 proposes for its query, the nearest first; empty where it does not propose.
        skipped: For each pair what people passed over for its query, most often first; empty where nobody says.
    """

    ids: Sequence[str]
    queries: Sequence[str]
    vectors: NDArray[np.float32]
    positives: Sequence[str]
    positive_vectors: NDArray[np.float32]
    chosen: Sequence[frozenset[str]]
    worded: Sequence[Sequence[str]] = ()
    skipped: Sequence[Sequence[str]] = ()

    def distinct(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the first pair of each distinct query, and for each pair which of these its query is."""
        numbers: dict[str, int] = {}
        of = np.array([numbers.setdefault(text, len(numbers)) for text in self.queries], dtype=np.int64)
        _, firsts = np.unique(of, return_index=True)
        return firsts, of
