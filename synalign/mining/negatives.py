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
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.mining.proposals import BM25, ENCODER, RANDOM, Near, Search, drawn

if TYPE_CHECKING:
    from synalign.config import Negatives
    from synalign.mining.block import Block, Part

OBJECTIONS = ("chosen", "duplicate", "too_near")
"""Why a document is no negative, in the order in which the rules are asked."""

POSITIVE = "positive"
"""Source of a pair's own document."""

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
        rows: Of each pair.
        objections: How many proposals of the encoder and of BM25 each rule objected to.
    """

    rows: list[Ranked]
    objections: Counter[str]


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
    lists, near = search.proposals()
    own = np.einsum("nd,nd->n", block.vectors, block.positive_vectors).tolist()
    objections: Counter[str] = Counter()
    rows: list[Ranked] = []
    for pair, name in enumerate(block.ids):
        rules = _Rules(block.positives[pair], block.chosen[pair], own[pair], near[pair], settings)
        rows.append(Ranked(name, 0, block.positives[pair], POSITIVE, own[pair]))
        taken = rules.pick(lists[pair], objections)
        rows += [Ranked(name, rank, document, source, near[pair][document].query)
                 for rank, (document, source) in enumerate(taken, start=1)]  # fmt: skip
    return Mined(rows, objections)


class _Rules:
    """The rules for one pair."""

    def __init__(
        self, positive: str, chosen: frozenset[str], own: float, near: dict[str, Near], settings: Negatives
    ) -> None:
        self._positive, self._chosen, self._near, self._settings = positive, chosen, near, settings
        self._most = own - abs(own) * settings.relative_margin

    def pick(self, lists: dict[str, list[str]], objections: Counter[str]) -> list[tuple[str, str]]:
        """Return documents and who proposed them, and count what rules object to."""
        proposed = dict.fromkeys(chain(lists.get(ENCODER, ()), lists.get(BM25, ())))
        refused = {name: why for name in proposed if (why := self.objection(name))}
        objections.update(why for name, why in refused.items() if name != self._positive)
        taken: dict[str, str] = {}
        for name, source in chain(_by_turns(lists), ((name, RANDOM) for name in lists[RANDOM])):
            if len(taken) == self._settings.per_pair:
                break
            if name not in taken and name not in refused and not self.objection(name):
                taken[name] = source
        return list(taken.items())

    def objection(self, name: str) -> str:
        """Return which rule objects to a document; empty: none does."""
        near = self._near[name]
        if name == self._positive or name in self._chosen:
            return "chosen"
        if near.positive >= self._settings.duplicate_cosine:
            return "duplicate"
        return "too_near" if near.query > self._most else ""


def _by_turns(lists: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield documents and sources: the first of each source, then the second of each."""
    sources = [source for source in (ENCODER, BM25) if source in lists]
    for turn in zip_longest(*(lists[source] for source in sources)):
        yield from ((name, source) for name, source in zip(turn, sources, strict=True) if name is not None)
