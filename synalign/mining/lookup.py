"""Documents that are known by their ids, and found by number as the collection passes by."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.screening.nearest import NOBODY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Lookup:
    """The numbers of some documents of each pair.

    Args:
        lists: For each of p pairs ids of documents, n in all.
    """

    def __init__(self, lists: Sequence[Sequence[str]]) -> None:
        self.counts = np.array([len(ids) for ids in lists], dtype=np.int64)
        self.pairs = np.repeat(np.arange(len(lists)), self.counts)
        distinct = pa.array(list(chain.from_iterable(lists)), pa.string()).dictionary_encode()
        self._ids, self._codes = distinct.dictionary, np.asarray(distinct.indices)
        self._numbers = np.full(len(self._ids), NOBODY, dtype=np.int64)

    def add(self, ids: pa.StringArray, first: int) -> None:
        """Look for documents in a part of the collection.

        Args:
            ids: Of its documents.
            first: Number of the first of them; the others' follow.
        """
        missing = np.flatnonzero(self._numbers == NOBODY)
        if len(missing):
            rows = pc.fill_null(pc.index_in(self._ids.take(pa.array(missing)), value_set=ids), NOBODY).to_numpy()
            here = rows != NOBODY
            self._numbers[missing[here]] = rows[here] + first

    @property
    def numbers(self) -> NDArray[np.int64]:
        """(n,) numbers of all ids, in the order of the lists; `NOBODY` of those that have not passed by."""
        return self._numbers[self._codes]

    def table(self) -> NDArray[np.int64]:
        """Return (p, longest list) numbers, each list's without those that are `NOBODY`, which fill its row's end."""
        numbers = self.numbers
        there = numbers != NOBODY
        pairs = self.pairs[there]
        table = np.full((len(self.counts), int(self.counts.max(initial=0))), NOBODY, dtype=np.int64)
        starts = np.searchsorted(pairs, pairs)
        table[pairs, np.arange(len(pairs)) - starts] = numbers[there]
        return table
