"""What the effectiveness benchmark trains on: real pairs, and three pools of pseudo-queries, screened and weighted.

The pools are rule-made (`tests.benchmarks.pools`), with what goes wrong planted and known:

- `broad`: pseudo-queries of the collection.
- `junk`: half of them, the rest off-domain pairs, chatty prefixes, generic queries on random documents, queries on
  wrong documents, and repeated ones, a tenth of the pool each.
- `off domain`: four in five are consistent pairs of another collection.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from synalign.alignment import align
from synalign.config import Alignment, Negatives, Scheme, Screening
from synalign.evaluation.arms import Pool
from synalign.mining.block import Block, Part
from synalign.mining.lexical import search
from synalign.mining.negatives import Ranked, mine
from synalign.retriever.collection import Collection, Pairs
from synalign.screening.duplicates import exact_duplicates, near_duplicates, nearest_cosine
from synalign.screening.round_trip import round_trip_ranks
from synalign.steps.align import equal_mass
from tests.benchmarks.datasets import corpus, embed, rows_of
from tests.benchmarks.pools import functions, passages, text_hash

COLLECTIONS = ("cosqa", "clapnq")
POOLS = ("broad", "junk", "off domain")


class Sizes(NamedTuple):
    """Pseudo-queries of the pools, and real queries.

    Attributes:
        clean: Of the broad pool; the clean ones of the others are the first of these.
        junk_clean: Clean ones of the junk pool.
        junk_each: Of every kind that is planted in it.
        copies: Of every repeated one.
        in_domain: Clean ones of the off-domain pool.
        off_domain: The others in it.
        most_validation: Real queries that choose.
    """

    clean: int = 6_000
    junk_clean: int = 4_000
    junk_each: int = 800
    copies: int = 20
    in_domain: int = 1_500
    off_domain: int = 6_000
    most_validation: int = 300


SMOKE = Sizes(30, 20, 4, 2, 8, 20, 8)

TOLERANCE = 1e-4
"""Of alignment, relative: what is left moves no weight that training would notice."""

_CHATTY = (
    "Sure! Here is a search query: {}",
    "Of course, I would be happy to help. {}",
    "Here's a realistic query a user might type: {}",
    "As requested, the query is: {} Let me know if you need more!",
)
_GENERIC = [
    f"{start} {topic}"
    for start in ("what is", "tell me about", "more information on", "examples of", "how does it work,")
    for topic in ("this", "the topic above", "the passage", "it", "the main idea", "everything", "the text", "that one")
]


class Written(NamedTuple):
    """A pool after screening, in the collection's places.

    Attributes:
        pairs: (m,) pairs that have a part in some arm; weights are the arms' to give.
        pool: Which were accepted, and the weights of the schemes.
        removed: By what was planted, the share that the round trip alone removes.
    """

    pairs: Pairs
    pool: Pool
    removed: dict[str, float]


class _Candidates(NamedTuple):
    """(m,) queries, documents (collection's name and id) and what was planted."""

    queries: list[str]
    documents: list[tuple[str, str]]
    planted: NDArray[np.str_]


class World:
    """A collection with some labelled pairs for training, and all that can be added to them.

    Real queries are in one order, by hash: the first `labelled` train, then come those of validation, then test.

    Args:
        data: Folder of public data sets.
        name: `cosqa` or `clapnq`.
        labelled: Real train pairs.
        sizes: How much there is of everything.
    """

    def __init__(self, data: Path, name: str, labelled: int, sizes: Sizes) -> None:
        self.name, self.labelled, self.sizes = name, labelled, sizes
        (self._other,) = set(COLLECTIONS) - {name}
        self._data = data
        texts = {each: corpus(data / each) for each in COLLECTIONS}
        self._documents = [(each, identifier) for each in (name, self._other) for identifier in texts[each]]
        self._place = {document: place for place, document in enumerate(self._documents)}
        self._texts = [texts[each][identifier] for each, identifier in self._documents]
        judged = _judged(data / name)
        self._real = [query for query, _ in judged]
        self._targets = np.array([self._place[name, document] for _, document in judged])
        later = len(judged) - labelled
        validation = min(sizes.most_validation, later * 2 // 5)
        self._ends = (labelled, labelled + validation, len(judged))

    @cached_property
    def candidates(self) -> dict[str, _Candidates]:
        """The pools before screening."""
        own, other = (drawn(name, self._data / name) for name in (self.name, self._other))
        sizes = self.sizes
        return {
            "broad": _labelled(own[: sizes.clean], self.name, "clean"),
            "junk": _joined(
                _labelled(own[: sizes.junk_clean], self.name, "clean"),
                *_junk(own[sizes.junk_clean :], [document for _, document in own], self.name, sizes),
                _labelled(other[: sizes.junk_each], self._other, "off domain"),
            ),
            "off domain": _joined(
                _labelled(own[: sizes.in_domain], self.name, "clean"),
                _labelled(other[: sizes.off_domain], self._other, "off domain"),
            ),
        }

    @cached_property
    def _queries(self) -> list[str]:
        """Every text that is asked: real ones first, in order."""
        written = [query for pool in POOLS for query in self.candidates[pool].queries]
        return list(dict.fromkeys([*self._real, *written]))

    @cached_property
    def collection(self) -> Collection:
        """Texts and vectors; the other collection's documents are ranked too."""
        unlabelled = [row["text"] for row in rows_of(self._data / self.name / "unlabelled_queries.jsonl")]
        self.unlabelled = embed(sorted({*unlabelled} - {*self._real}))
        # Vectors of the first 600 characters, as `tests.benchmarks.pools` embeds them: both keep them in one file.
        documents = [
            embed([text[:600] for text in corpus(self._data / each).values()]) for each in (self.name, self._other)
        ]
        return Collection(self._queries, self._texts, self._embedded(), np.concatenate(documents))

    def _embedded(self) -> NDArray[np.float32]:
        """Vectors of `_queries`; what both collections' worlds ask is embedded once."""
        clean = self.sizes.clean
        shared = [self._real, *([query for query, _ in drawn(each, self._data / each)[:clean]] for each in COLLECTIONS)]
        known = {query for texts in shared for query in texts}
        vectors: dict[str, NDArray[np.float32]] = {}
        for texts in (*shared, [query for query in self._queries if query not in known]):
            vectors |= zip(texts, embed(texts), strict=True)
        return np.stack([vectors[query] for query in self._queries])

    def real(self, split: str) -> Pairs:
        """Real pairs of `train`, `validation` or `test`."""
        place = ("train", "validation", "test").index(split)
        rows = np.arange(self._ends[place - 1] if place else 0, self._ends[place])
        return Pairs(rows, self._targets[rows], np.ones(len(rows)))

    def with_negatives(self, *parts: Pairs) -> list[Pairs]:
        """Mine hard negatives of pairs as the product does it; those of one query are right for it in every part."""
        settings = Negatives()
        right: dict[int, set[int]] = {}
        for pairs in parts:
            for query, found in pairs.relevant().items():
                right.setdefault(query, set()).update(found)
        mined = [self._mined(pairs, right, settings) for pairs in parts]
        return [
            pairs._replace(negatives=_filled(rows, len(pairs.query), settings.per_pair))
            for pairs, rows in zip(parts, mined, strict=True)
        ]

    def _mined(self, pairs: Pairs, right: dict[int, set[int]], settings: Negatives) -> list[Ranked]:
        collection, names = self.collection, [str(place) for place in range(len(self.collection.documents))]
        found: list[Ranked] = []
        for first in range(0, len(pairs.query), 5_000):
            rows = range(first, min(first + 5_000, len(pairs.query)))
            queries, documents = pairs.query[rows], pairs.document[rows]
            block = Block(
                [str(row) for row in rows],
                [collection.queries[query] for query in queries],
                collection.query_vectors[queries],
                [names[document] for document in documents],
                collection.document_vectors[documents],
                [frozenset(names[place] for place in right[query]) for query in queries.tolist()],
            )
            texts, vectors = Part(names, collection.documents), Part(names, collection.document_vectors)
            words = {each.query: each.ids for each in search([block.queries], texts, settings.depth)}
            block = block._replace(worded=[words.get(query, []) for query in block.queries])
            found += mine(block, [vectors], len(names), settings).rows
        return found

    def written(self, pool: str) -> Written:
        """A pool, screened and weighted as the product does it, but for what its rules find in the text itself.

        Pseudo-queries are cut from documents, so the screen for copies would find them all.
        """
        candidates, collection, settings = self.candidates[pool], self.collection, Screening()
        place = {query: row for row, query in enumerate(self._queries)}
        queries = np.array([place[query] for query in candidates.queries])
        documents = np.array([self._place[document] for document in candidates.documents])
        vectors = collection.query_vectors[queries]
        consistent = round_trip_ranks(vectors, collection.document_vectors, documents) <= settings.round_trip_depth
        accepted = consistent & (
            nearest_cosine(vectors, collection.query_vectors[: len(self._real)]) < settings.near_duplicate_cosine
        )
        for repeated in (
            lambda rows: exact_duplicates([candidates.queries[row] for row in rows]),
            lambda rows: near_duplicates(vectors[rows], settings.near_duplicate_cosine)[0],
        ):
            rows = np.flatnonzero(accepted)
            accepted[rows[repeated(rows)]] = False
        used = accepted | ~consistent
        weights = self._weights(vectors[accepted], documents[accepted])
        planted = {
            str(kind): float(1.0 - consistent[candidates.planted == kind].mean()) for kind in set(candidates.planted)
        }
        pairs = Pairs(queries[used], documents[used], np.ones(int(used.sum())))
        return Written(pairs, Pool(accepted[used], weights), planted)

    def _weights(self, vectors: NDArray[np.float32], documents: NDArray[np.int64]) -> dict[Scheme, NDArray[np.float64]]:
        settings = Alignment()
        real = np.concatenate([self.collection.query_vectors[self.real("train").query], self.unlabelled])
        aligned = align(vectors, real, documents=documents, ridge=settings.ridge, coverage=0.01, tolerance=TOLERANCE)
        return {
            "equal": np.full(len(vectors), 1.0 / len(vectors)),
            "equal_mass": equal_mass(documents.astype(str)),
            "aligned": aligned.weights,
        }


def _filled(rows: list[Ranked], pairs: int, most: int) -> NDArray[np.int64]:
    """Return (p, most) places of the negatives, -1 where there are fewer."""
    negatives = np.full((pairs, most), -1, dtype=np.int64)
    for row in rows:
        if row.rank:
            negatives[int(row.pair_id), row.rank - 1] = int(row.document_id)
    return negatives


def drawn(name: str, folder: Path) -> list[tuple[str, str]]:
    """Distinct pseudo-queries of a collection with their documents, in an order by hash: always the same."""
    pairs = functions(folder) if name == "cosqa" else passages(rows_of(folder / "corpus.jsonl"))
    first: dict[str, tuple[str, str]] = {}
    for document, query in sorted(set(pairs), key=lambda pair: text_hash("".join(pair))):
        first.setdefault(query.casefold().strip(), (query.strip(), document))
    return [pair for key, pair in first.items() if key]


def _junk(spare: list[tuple[str, str]], documents: list[str], name: str, sizes: Sizes) -> Iterator[_Candidates]:
    """What a writer does wrong, as much of every kind, made of pairs that the clean part does not use."""
    random, each = np.random.default_rng(0), sizes.junk_each

    def other() -> str:
        return documents[int(random.integers(len(documents)))]

    wrong, repeated, chatty = spare[:each], spare[each:][: each // sizes.copies], spare[2 * each :]
    yield _labelled([(query, other()) for query, _ in wrong], name, "mismatched")
    yield _labelled(repeated * sizes.copies, name, "repeated")
    said = [
        (_CHATTY[row % len(_CHATTY)].format(query), document) for row, (query, document) in enumerate(chatty[:each])
    ]
    yield _labelled(said, name, "chatty")
    yield _labelled([(_GENERIC[row % len(_GENERIC)], other()) for row in range(each)], name, "generic")


def _labelled(pairs: list[tuple[str, str]], name: str, planted: str) -> _Candidates:
    return _Candidates(
        [query for query, _ in pairs], [(name, document) for _, document in pairs], np.array([planted] * len(pairs))
    )


def _joined(*parts: _Candidates) -> _Candidates:
    """Parts in a shuffled order, as they would come: of two that are alike, screening keeps the first."""
    queries = [query for part in parts for query in part.queries]
    documents = [document for part in parts for document in part.documents]
    planted = np.concatenate([part.planted for part in parts])
    order = np.random.default_rng(0).permutation(len(queries))
    return _Candidates([queries[row] for row in order], [documents[row] for row in order], planted[order])


def _judged(folder: Path) -> list[tuple[str, str]]:
    """Real queries with their document, ordered by hash of the query."""
    (qrels,) = (folder / "qrels").glob("*.tsv")
    texts = {row["_id"]: row["text"] for row in rows_of(folder / "queries.jsonl")}
    found: dict[str, str] = {}
    for line in qrels.read_text().splitlines()[1:]:
        query, document, _ = line.split("\t")
        found.setdefault(texts[query], document)
    return sorted(found.items(), key=lambda pair: text_hash(pair[0]))
