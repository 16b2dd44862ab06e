"""Hard negatives of a block of pairs: which rules object to what is proposed, and what is taken of the rest.

- `chosen`: a user chose the document for this very query, or a query of the same words was written for it.
- `duplicate`: it says nearly the same as the pair's own document.
- `too_near`: it is nearer to the query than the margin allows: cosine > positive - margin |positive|, as
  `mine_hard_negatives` of sentence-transformers has it. Documents that nobody has judged are often right answers
  (Qu et al., RocketQA, NAACL 2021, arXiv:2010.08191); those that look most like one are left out.

Of the rest the hardest are taken, from each source by turns. What is lacking then is drawn at random, under the same
rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from synalign.mining.proposals import ENCODER, RANDOM, SOURCES, Search, drawn
from synalign.screening.nearest import NOBODY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.config import Negatives
    from synalign.mining.block import Block, Part
    from synalign.mining.proposals import Proposals

OBJECTIONS = ("chosen", "duplicate", "too_near")
"""Why a document is no negative, in the order in which the rules are asked."""

POSITIVE = "positive"
"""Source of a pair's own document."""

_NONE = len(OBJECTIONS)

_DRAWN = 4
"""Documents drawn at random for each negative that a pair wants: rules object to some of them."""


class Ranked(NamedTuple):
    """A document of a pair: its own at rank 0, its negatives from rank 1, the hardest first.

    Attributes:
        pair_id: The pair.
        rank: See above.
        document_id: The document.
        source: Who proposed it.
        cosine: Of the document to the query.
    """

    pair_id: str
    rank: int
    document_id: str
    source: str
    cosine: float


class Mined(NamedTuple):
    """What came of a block.

    Attributes:
        table: A row for each `Ranked`, in columns of its names, pair by pair.
        objections: How many proposals each rule objected to; of those drawn at random none counts.
    """

    table: pa.Table
    objections: Counter[str]

    @property
    def rows(self) -> list[Ranked]:
        """The rows of the table."""
        return [Ranked(**row) for row in self.table.to_pylist()]


def mine(block: Block, vectors: Iterable[Part], documents: int, settings: Negatives, seed: int = 0) -> Mined:
    """Find the hard negatives of a block of pairs in the whole collection.

    Costs q n d multiplications for q distinct queries. Memory grows with the block and with a part, not with the
    collection.

    Args:
        block: p pairs, with what BM25 proposes for them.
        vectors: All documents with their vectors, in parts.
        documents: How many documents there are.
        settings: How many, how deep, by whom, and the margins.
        seed: Of the documents drawn at random.

    Returns:
        The same for a pair whatever else is in the block.
    """
    search = Search(
        block,
        settings.depth,
        by_vectors=ENCODER in settings.sources,
        drawn=drawn(block.ids, documents, _DRAWN * settings.per_pair, seed),
    )
    for part in vectors:
        search.add(part)
    proposals = search.proposals()
    own = np.einsum("nd,nd->n", block.vectors, block.positive_vectors).astype(np.float64)
    objections = _objections(proposals, own, settings)
    first = _first_places(proposals.numbers)
    counted = first & (proposals.sources != SOURCES.index(RANDOM)) & ~proposals.own
    counts = Counter({name: int((counted & (objections == why)).sum()) for why, name in enumerate(OBJECTIONS)})
    ranks = np.cumsum(first & (objections == _NONE), axis=1)
    taken = np.nonzero(first & (objections == _NONE) & (ranks <= settings.per_pair))
    pairs = np.concatenate([np.arange(len(own)), taken[0]])
    # Sorting is stable: a pair's own document comes before its negatives.
    order = np.argsort(pairs, kind="stable")
    names = (*SOURCES, POSITIVE)
    sources = np.concatenate([np.full(len(own), len(SOURCES)), proposals.sources[taken[1]]])
    columns = {
        "pair_id": pa.array(block.ids, pa.string()).take(pa.array(pairs)),
        "rank": pa.array(np.concatenate([np.zeros_like(pairs[: len(own)]), ranks[taken]])),
        "document_id": pa.concat_arrays([pa.array(block.positives, pa.string()), search.ids(proposals.numbers[taken])]),
        "source": pa.array(names).take(pa.array(sources)),
        "cosine": pa.array(np.concatenate([own, proposals.query[taken]])),
    }
    return Mined(pa.table(columns).take(pa.array(order)), +counts)


def _objections(proposals: Proposals, own: NDArray[np.float64], settings: Negatives) -> NDArray[np.int64]:
    """Return (p, k) positions in `OBJECTIONS` of the first rule that objects to each proposal, `_NONE` where none does.

    Args:
        proposals: Of p pairs.
        own: (p,) cosines of the pairs' own documents to their queries.
        settings: The margins.
    """
    most = own - np.abs(own) * settings.relative_margin
    rules = [proposals.chosen, proposals.positive >= settings.duplicate_cosine, proposals.query > most[:, None]]
    return np.select(rules, list(range(len(OBJECTIONS))), _NONE)


def _first_places(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return (p, k) whether a place is the first that its document has in its row; False of free places."""
    order = np.argsort(numbers, axis=1, kind="stable")
    ordered = np.take_along_axis(numbers, order, axis=1)
    ordered[:, 1:][ordered[:, 1:] == ordered[:, :-1]] = NOBODY
    first = np.empty(numbers.shape, dtype=np.bool_)
    np.put_along_axis(first, order, ordered != NOBODY, axis=1)
    return first
