"""BM25: which documents share a query's words.

Robertson and Zaragoza, *The Probabilistic Relevance Framework: BM25 and Beyond* (2009), as `bm25s` computes it
(Lu, arXiv:2407.03618; Lucene's variant, k1 = 1.5, b = 0.75).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.screening.nearest import NOBODY, Nearest
from synalign.text.words import UNSPACED, is_function

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from synalign.mining.block import Part

# Of scripts without spaces, pairs of neighbouring characters are the terms, as in search engines.
_RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
_ALONE = re.compile(rf"[{UNSPACED}]")

_GROUPS = 32
"""Groups of documents for each that is to be found: more of them bound the score better, and cost more."""

_LEAST = float(np.finfo(np.float32).smallest_subnormal)
"""Below any score of a document that shares a term."""

LONGEST_TEXT = 20_000
"""Characters of a document that are indexed: what follows changes which words are rare, not which are there."""


def terms(text: str) -> list[str]:
    """Return the terms of a text, in order, without regard to case.

    >>> terms("Sort a LIST, sort_key"), terms("\u65e5\u672c\u8a9e")
    (['sort', 'a', 'list', 'sort_key'], ['\u65e5\u672c', '\u672c\u8a9e'])
    """
    normal = unicodedata.normalize("NFKC", text[:LONGEST_TEXT]).casefold()
    runs: list[str] = _RUN.findall(normal)
    if normal.isascii() or not _ALONE.search(normal):
        return runs
    found: list[str] = []
    for run in runs:
        if _ALONE.match(run) and len(run) > 1:
            found += [run[place : place + 2] for place in range(len(run) - 1)]
        else:
            found.append(run)
    return found


def asked(query: str) -> list[str]:
    """Return the distinct terms of a query that tell documents apart: words such as *the* only if it has no others.

    >>> asked("how to sort a list, a long list"), asked("to be or not to be")
    (['sort', 'list', 'long'], ['to', 'be', 'or', 'not'])
    """
    distinct = list(dict.fromkeys(terms(query)))
    return [term for term in distinct if not is_function(term)] or distinct


class Lexicon:
    """The index of one part of the collection.

    Terms are rare or common, and documents long or short, by the standard of their part: as in the shards of a search
    engine, parts of thousands of documents hardly differ.

    Args:
        texts: n texts, at least one.
        first: Number of the first document; the others' follow.
    """

    def __init__(self, texts: Sequence[str], first: int) -> None:
        # Its import looks for other backends: seconds that only a task that searches should spend.
        import bm25s

        self._first = first
        self._index = bm25s.BM25(method="lucene", backend="numpy")
        self._index.index([terms(text) for text in texts], show_progress=False)

    def offer(self, queries: Sequence[Sequence[str]], nearest: Nearest) -> None:
        """Offer to each query the documents that share a term with it.

        Args:
            queries: The terms of q queries, each as `asked` gives them.
            nearest: Of q queries; documents already there were of other parts.
        """
        depth, reach = nearest.depth, nearest.reach
        for row, query in enumerate(queries):
            numbers = self._index.get_tokens_ids(list(query))
            if not numbers:
                continue
            scores = self._index.get_scores_from_ids(numbers).astype(np.float32, copy=False)
            least = max(_LEAST, float(reach[row]), _bound(scores, depth))
            places = np.flatnonzero(scores >= np.float32(least))
            nearest.add(np.full(len(places), row), places + self._first, scores[places])


def _bound(scores: NDArray[np.float32], depth: int) -> float:
    """Return a score that at least `depth` documents reach, 0 where there may be fewer documents.

    The best of a group is a document: as many groups as `depth` have one that reaches their `depth`-th best. Comparing
    groups elementwise and sorting few is a tenth of the cost of sorting all.
    """
    groups = depth * _GROUPS
    height = len(scores) // groups
    if not height:
        return float(np.partition(scores, -depth)[-depth]) if len(scores) > depth else 0.0
    best = scores[: height * groups].reshape(height, groups).max(axis=0)
    return float(np.partition(best, -depth)[-depth])


class Found(NamedTuple):
    """What one part of the collection has for a query.

    Attributes:
        query: The query.
        ids: Documents, the nearest first.
        scores: Their BM25 scores.
    """

    query: str
    ids: list[str]
    scores: list[float]


def search(queries: Iterable[Sequence[str]], part: Part, depth: int) -> Iterator[Found]:
    """Yield what a part has for each query that shares a term with it.

    Args:
        queries: Some queries at a time.
        part: Documents with their texts, at least one; they are indexed once.
        depth: How many documents are found for a query, at most.
    """
    lexicon = Lexicon([str(text) for text in part.content], 0)
    for some in queries:
        nearest = Nearest(len(some), depth)
        lexicon.offer([asked(query) for query in some], nearest)
        for query, numbers, scores in zip(some, nearest.numbers.tolist(), nearest.scores.tolist(), strict=True):
            count = sum(number != NOBODY for number in numbers)
            if count:
                yield Found(query, [part.ids[number] for number in numbers[:count]], scores[:count])


def merged(found: Iterable[Found], depth: int) -> list[str]:
    """Return the nearest documents of all parts, at most `depth`.

    Args:
        found: What each part has for one query, in the order of the parts: of equal scores the earlier is nearer.
        depth: How many documents are kept.
    """
    every = [(score, name) for part in found for name, score in zip(part.ids, part.scores, strict=True)]
    # Sorting is stable, also in reverse.
    return [name for _, name in sorted(every, key=lambda pair: pair[0], reverse=True)[:depth]]
