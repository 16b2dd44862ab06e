"""Queries copied out of their document: the longest run of words that both share.

A query lifted from its document teaches a retriever to match strings. Real searchers have not read the document yet.

Words are runs of letters, digits and combining marks of any script, NFKC-normalised and case-folded; punctuation and
white space only part them. Scripts that are written without spaces have no such runs, so there every character is
counted, as a part of a word: half of one in Han and kana, a quarter in Thai, Lao, Khmer, Myanmar and Tibetan, which is
about what a word has there.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from synalign.arrays.tally import Report, Tally
from synalign.run import some_rows
from synalign.screening.candidates import Verdict
from synalign.text.normal import caseless

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from synalign.screening.candidates import Candidates

LONGEST_DOCUMENT = 1_000_000
"""Characters of a document that are looked at. A prompt shows at most a tenth of that."""

# Code points from, to and the part of a word that one character of that script stands for.
_UNSPACED = (
    (0x0E00, 0x0EFF, 0.25),  # Thai, Lao
    (0x0F00, 0x109F, 0.25),  # Tibetan, Myanmar
    (0x1780, 0x17FF, 0.25),  # Khmer
    (0x3005, 0x3007, 0.5),  # ideographic iteration mark, closing mark and zero
    (0x3040, 0x30FF, 0.5),  # Hiragana, Katakana
    (0x3400, 0x9FFF, 0.5),  # Han
    (0xF900, 0xFAFF, 0.5),  # Han, compatibility
    (0x20000, 0x3FFFF, 0.5),  # Han, later extensions
)
# No letter, digit or mark has a higher code point, but for variation selectors, which nobody sees.
_END = 0x33480


class _Part(NamedTuple):
    """One part of a document.

    Attributes:
        words: Its words.
        upto: The weight of all words before each, and of all at the end.
    """

    words: list[str]
    upto: list[float]


def copied(candidates: Candidates, report: Report) -> Verdict:
    """Reject queries that share a long run of words with their documents."""
    documents = some_rows.having(candidates.run, "documents", "document_id", set(candidates.documents))
    row = {name: number for number, name in enumerate(documents["document_id"].to_pylist())}
    parts = list(zip(documents["title"].to_pylist(), documents["text"].to_pylist(), strict=True))
    targets = np.array([row[name] for name in candidates.documents], dtype=np.int64)
    spans = copied_spans(candidates.queries, parts, targets, report)
    return Verdict(spans >= candidates.settings.copied_words, spans)


def copied_spans(
    queries: Sequence[str],
    documents: Sequence[Sequence[str]],
    targets: NDArray[np.int64],
    report: Report | None = None,
) -> NDArray[np.float64]:
    """Find the longest run of words that each query shares with its document.

    Takes time linear in the length of the documents, once per query of each, whatever they say.

    Args:
        queries: m queries.
        documents: Parts of each document, such as title and text; no run goes from one part into another.
        targets: (m,) index of each query's document.
        report: Called as documents are read.

    Returns:
        (m,) float64, in words; fractions come from scripts without spaces.
    """
    spans = np.zeros(len(queries))
    of_document: defaultdict[int, list[int]] = defaultdict(list)
    for row, target in enumerate(targets.tolist()):
        of_document[target].append(row)
    tally = Tally(report, "documents looked through for copies", len(of_document))
    for target, rows in of_document.items():
        parts = [_part(text) for text in documents[target]]
        for row in rows:
            automaton = _Automaton(words_of(queries[row]))
            spans[row] = max((automaton.heaviest(part) for part in parts), default=0.0)
        tally.add()
    return spans


def _part(text: str) -> _Part:
    words = words_of(text[:LONGEST_DOCUMENT])
    weights = {word: _weight(word) for word in set(words)}
    return _Part(words, list(accumulate((weights[word] for word in words), initial=0.0)))


class _Automaton:
    """The suffix automaton of a short list of words: it knows every run of words in it.

    It is made of the query, not of the document, so that a document is read once and never stored. After Blumer et
    al., "The smallest automaton recognizing the subwords of a text", Theoretical Computer Science 40 (1985).

    Args:
        words: The list.
    """

    def __init__(self, words: list[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._link = [-1]
        self._length = [0]
        last = 0
        for word in words:
            last = self._extend(word, last)

    def _state(self, following: dict[str, int], link: int, length: int) -> int:
        self._next.append(following)
        self._link.append(link)
        self._length.append(length)
        return len(self._next) - 1

    def _extend(self, word: str, last: int) -> int:
        added, state = self._state({}, 0, self._length[last] + 1), last
        while state >= 0 and word not in self._next[state]:
            self._next[state][word] = added
            state = self._link[state]
        if state >= 0:
            target = self._next[state][word]
            if self._length[target] == self._length[state] + 1:
                self._link[added] = target
            else:
                self._link[added] = self._split(word, state, target)
                self._link[target] = self._link[added]
        return added

    def _split(self, word: str, state: int, target: int) -> int:
        copy = self._state(dict(self._next[target]), self._link[target], self._length[state] + 1)
        while state >= 0 and self._next[state].get(word) == target:
            self._next[state][word] = copy
            state = self._link[state]
        return copy

    def heaviest(self, part: _Part) -> float:
        """Return the weight of the heaviest run of words of a part that is a run of this automaton's list, too."""
        following, link, lengths = self._next, self._link, self._length
        (words, upto), known = part, self._next[0]
        best, state, length, before = 0.0, 0, 0, -1
        for place in [place for place, word in enumerate(words) if word in known]:
            if place != before + 1:
                state, length = 0, 0
            before, word = place, words[place]
            while word not in following[state]:
                # The run goes on without its first words.
                state = link[state]
                length = lengths[state]
            state, length = following[state][word], length + 1
            run = upto[place + 1] - upto[place + 1 - length]
            if run > best:
                best = run
        return best


def words_of(text: str) -> list[str]:
    """Return the words of a text, NFKC-normalised and case-folded."""
    return _pattern().findall(caseless(text))


def _weight(word: str) -> float:
    code = ord(word[0])
    return next((weight for first, last, weight in _UNSPACED if first <= code <= last), 1.0)


@cache
def _pattern() -> re.Pattern[str]:
    """Match words: runs of letters, digits and marks, or one such character of a script without spaces."""
    counted = [code for code, character in enumerate(map(chr, range(_END)))
               if character.isalnum() or unicodedata.category(character)[0] == "M"]  # fmt: skip
    unspaced = set[int]().union(*(range(first, last + 1) for first, last, _ in _UNSPACED))
    spaced_class = _ranges([code for code in counted if code not in unspaced])
    unspaced_class = _ranges([code for code in counted if code in unspaced])
    return re.compile(f"[{spaced_class}]+|[{unspaced_class}]")


def _ranges(codes: list[int]) -> str:
    """Return ascending code points as the inside of a character class."""
    starts = np.flatnonzero(np.diff(codes, prepend=-2) != 1).tolist()
    ends = [start - 1 for start in starts[1:]] + [len(codes) - 1]
    return "".join(f"{chr(codes[start])}-{chr(codes[end])}" for start, end in zip(starts, ends, strict=True))
