"""BM25: which documents share a query's words.

Robertson and Zaragoza, *The Probabilistic Relevance Framework: BM25 and Beyond* (2009), as `bm25s` computes it
(Lu, arXiv:2407.03618; Lucene's variant, k1 = 1.5, b = 0.75).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from synalign.text.words import UNSPACED, is_function

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synalign.mining.nearest import Nearest

# Of scripts without spaces, pairs of neighbouring characters are the terms, as in search engines.
_RUN = re.compile(rf"[{UNSPACED}]+|[^\W{UNSPACED}]+")
_ALONE = re.compile(rf"[{UNSPACED}]")

LONGEST_TEXT = 20_000
"""Characters of a document that are indexed: what follows changes which words are rare, not which are there."""


def terms(text: str) -> list[str]:
    """Return the terms of a text, in order, without regard to case.

    >>> terms("Sort a LIST, sort_key"), terms("\u65e5\u672c\u8a9e")
    (['sort', 'a', 'list', 'sort_key'], ['\u65e5\u672c', '\u672c\u8a9e'])
    """
    found: list[str] = []
    for run in _RUN.findall(unicodedata.normalize("NFKC", text[:LONGEST_TEXT]).casefold()):
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
        depth = nearest.scores.shape[1]
        for row, query in enumerate(queries):
            numbers = self._index.get_tokens_ids(list(query))
            if not numbers:
                continue
            scores = self._index.get_scores_from_ids(numbers).astype(np.float32)
            least = float(nearest.reach[row])
            if len(scores) > depth:
                least = max(least, float(np.partition(scores, -depth)[-depth]))
            places = np.flatnonzero((scores >= least) & (scores > 0.0))
            nearest.add(np.full(len(places), row), places + self._first, scores[places])
