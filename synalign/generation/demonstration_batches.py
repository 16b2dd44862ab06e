"""What each batch is made of: its demonstrations and its target documents, read from the tables.

A batch that is too long for the model's context is made shorter: fewer documents a request, then less of each. Its
parts depend on nothing but the batch and on which requests the endpoint found too long, so that a run that was killed
and goes on asks for the same parts, whose answers it finds in the journal.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.errors import RunError
from synalign.generation.targets import choose_targets
from synalign.prompts.families import family
from synalign.run import Run, manifests, some_rows
from synalign.run.matrix import matrix
from synalign.run.memory import members_of
from synalign.spark.folded import session_beyond

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.config import Configuration

_PAIRS_AT_ONCE = 1_000_000
"""Pairs whose events are counted at once: 60 MB."""

LEAST_CHARACTERS = 100
"""A document of which no more is shown says too little to write queries for."""


class Document(NamedTuple):
    """A target document.

    Attributes:
        document_id: Its id.
        title: May be empty.
        text: All of it; prompts cut it.
    """

    document_id: str
    title: str
    text: str


class Shot(NamedTuple):
    """A demonstration with the document that users chose for it most often."""

    query: str
    document: Document


class Batch(NamedTuple):
    """One batch of demonstrations and the documents that queries are written for.

    Attributes:
        batch_id: Its id.
        demonstrations: Real queries, the anchor first.
        documents: Target documents; for classification the one that stands for the label.
        part: Which part of the batch this is, where it is asked in parts; empty for the whole.
        characters: How much of a document is shown at most; None: as configured.
        shots: Demonstrations with their documents, where the family of prompts shows some.
        wanted: Queries for each document; None: as configured.
        turn: Which of a document's queries are asked for, where each is asked for by itself.
    """

    batch_id: str
    demonstrations: tuple[str, ...]
    documents: tuple[Document, ...]
    part: str = ""
    characters: int | None = None
    shots: tuple[Shot, ...] = ()
    wanted: int | None = None
    turn: int = 0


def read_batches(run: Run) -> list[Batch]:
    """Return the batches of a run, in the order they were sampled.

    Raises:
        RunError: A table is missing or empty, or a demonstration is not a train query.
    """
    members = members_of(run.read("demonstrations"))
    texts = _train_queries(run, members)
    if not members or not run.rows("documents"):
        raise RunError("there are no demonstrations or no documents.", remedy="run ingest and sample again")
    choose = _labels if run.configuration.task == "classification" else _targets
    targets = choose(run, members)
    chosen_for = chosen_documents(run, set().union(*members.values())) if family(run.configuration).shots else {}
    shown = _documents(run, [*targets, list(chosen_for.values())])
    return [
        Batch(
            batch_id,
            tuple(texts[query_id] for query_id in query_ids),
            tuple(shown[target] for target in chosen),
            shots=tuple(Shot(texts[id], shown[chosen_for[id]]) for id in query_ids if id in chosen_for),
        )
        for (batch_id, query_ids), chosen in zip(members.items(), targets, strict=True)
    ]


def chosen_documents(run: Run, query_ids: Collection[str]) -> dict[str, str]:
    """Return the document that users chose most often for each of some queries, by train events; not all have one."""
    pairs = some_rows.having(run, "pairs", "query_id", query_ids, ["query_id", "document_id", "count", "split"])
    rows = pairs.filter(pc.equal(pairs["split"], "train")).to_pylist()
    rows.sort(key=lambda row: (row["count"], row["document_id"]), reverse=True)
    # The last one stays: of documents with as many events, that of the lowest id.
    return {row["query_id"]: row["document_id"] for row in reversed(rows)}


def _documents(run: Run, targets: list[list[str]]) -> dict[str, Document]:
    """Return the target documents by id; the others are never held."""
    names = list(Document._fields)
    rows = some_rows.having(run, "documents", "document_id", {id for chosen in targets for id in chosen}, names)
    return {row["document_id"]: Document(**row) for row in rows.to_pylist()}


class TrainQueries(Collection[str]):
    """All real queries of the split train, read each time they are gone through: a row group is held at a time."""

    def __init__(self, run: Run) -> None:
        self._run = run
        splits = (batch["split"] for batch in manifests.batches(run.files("queries"), ["split"]))
        self._count = sum(pc.sum(pc.equal(split, "train")).as_py() or 0 for split in splits)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        for batch in manifests.batches(self._run.files("queries"), ["query", "split"]):
            yield from batch.filter(pc.equal(batch["split"], "train"))["query"].to_pylist()

    def __contains__(self, query: object) -> bool:
        return any(query == one for one in self)


def _train_queries(run: Run, members: dict[str, list[str]]) -> dict[str, str]:
    """Query texts by id; only of the split train, for what a model has seen must not be what it is judged on."""
    asked = {query_id for query_ids in members.values() for query_id in query_ids}
    queries = some_rows.having(run, "queries", "query_id", asked, ["query_id", "query", "split"])
    train = queries.filter(pc.equal(queries["split"], "train"))
    texts = dict(zip(train["query_id"].to_pylist(), train["query"].to_pylist(), strict=True))
    for query_ids in members.values():
        for query_id in query_ids:
            if query_id not in texts:
                raise RunError(f"demonstration {query_id} is not a train query.", remedy="run the step sample again")
    return texts


def _labels(run: Run, members: dict[str, list[str]]) -> list[list[str]]:
    """Return the document of each batch's label, its only one."""
    first = {query_ids[0] for query_ids in members.values()}
    queries = some_rows.having(run, "queries", "query_id", first, ["query_id", "label"])
    label = dict(zip(queries["query_id"].to_pylist(), queries["label"].to_pylist(), strict=True))
    return [[label[query_ids[0]]] for query_ids in members.values()]


def _targets(run: Run, members: dict[str, list[str]]) -> list[list[str]]:
    """Return ids of the target documents of each batch."""
    settings, pool = run.configuration.generation, run.configuration.pool
    asked = [query_id for ids in members.values() for query_id in ids]
    vectors = some_rows.vectors(run, "query_embeddings", asked)
    ends = np.cumsum([len(query_ids) for query_ids in members.values()])[:-1]
    means = np.stack([part.mean(axis=0) for part in np.split(vectors, ends)])
    size = settings.documents_per_batch
    most = (size + 1) // 2 if settings.targets == "mixed" else size
    clicked = _clicked(run, members) if settings.targets != "cold" else [[] for _ in members]
    written = Counter(run.read("carried", ["document_id"])["document_id"].to_pylist())
    if not (pool.explored and pool.nights):
        written = Counter[str]()
    # Events alone make no document full: a first night writes for whatever is near, as if there were no pool.
    full = frozenset(name for name, count in written.items() if count >= pool.queries_per_document)

    def events(ids: list[str]) -> NDArray[np.int64]:
        return _events(run, ids) + np.array([written[name] for name in ids], dtype=np.int64)

    # Where documents must be used twice, they are not many more than what is written for and carried.
    enough = run.rows("document_embeddings") - len(full) >= (len(members) + 1) * size
    with session_beyond(run, "document_embeddings", "generate") if enough else nullcontext() as spark:
        if spark is not None:
            from synalign.generation.targets_in_spark import Asked, targets_in_spark

            return targets_in_spark(spark, run, Asked(means, size, clicked, most, full), events)
    documents = run.read("document_embeddings")
    ids = documents["id"].to_pylist()
    place = {name: row for row, name in enumerate(ids)}
    chosen = choose_targets(
        means,
        matrix(documents, ids),
        events(ids),
        size,
        [[place[name] for name in names] for names in clicked],
        most,
        np.array([name in full for name in ids], dtype=bool),
    )
    return [[ids[row] for row in rows] for rows in chosen]


def _clicked(run: Run, members: dict[str, list[str]]) -> list[list[str]]:
    """Return ids of the documents that users chose for each batch's queries, those of a query by train events."""
    asked = {query_id for query_ids in members.values() for query_id in query_ids}
    pairs = some_rows.having(run, "pairs", "query_id", asked, ["query_id", "document_id", "count", "split"])
    # Held-out pairs play no part: choosing documents by them would tell the training set about the test.
    pairs = pairs.filter(pc.equal(pairs["split"], "train"))
    place = some_rows.numbers_of(run, "document_embeddings", "id", pairs["document_id"].to_pylist())
    clicks: dict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for row in pairs.to_pylist():
        clicks[row["query_id"]].append((-row["count"], place[row["document_id"]], row["document_id"]))
    return [[name for id in query_ids for _, _, name in sorted(clicks[id])] for query_ids in members.values()]


def _events(run: Run, ids: list[str]) -> NDArray[np.int64]:
    """Count the train events of some documents; some of the pairs are held at a time."""
    wanted = pa.array(ids, pa.string())
    counts = np.zeros(len(ids), dtype=np.int64)
    for pairs in manifests.tables(run.files("pairs"), ["document_id", "count", "split"], _PAIRS_AT_ONCE):
        train = pairs.filter(pc.equal(pairs["split"], "train")).group_by("document_id").aggregate([("count", "sum")])
        places = pc.index_in(train["document_id"], value_set=wanted)
        there = pc.is_valid(places)
        counts[places.filter(there).to_numpy()] += train["count_sum"].filter(there).to_numpy()
    return counts


def pieces(batch: Batch, configuration: Configuration) -> tuple[Batch, ...]:
    """Split a batch into what one request asks for in the family of prompts; nothing where that is the whole batch."""
    wanted = configuration.queries_per_target
    if not family(configuration).one_by_one:
        return ()
    # Documents of a turn one after another: their prompts begin alike, and a server that keeps what it has read of one
    # need not read it again.
    return tuple(
        batch._replace(documents=(document,), part=f"{place}", turn=turn, wanted=1)
        for turn in range(wanted)
        for place, document in enumerate(batch.documents)
    )


def requests_of(batch: Batch, configuration: Configuration) -> int:
    """Return how many requests for queries a batch takes, where none is too long."""
    return len(pieces(batch, configuration)) or 1


def smaller(batch: Batch, configuration: Configuration) -> tuple[Batch, ...]:
    """Split a batch into batches that ask for the same queries by shorter prompts; none where that cannot be.

    Args:
        batch: The batch, or part of one.
        configuration: Says how much of a document is shown.

    Returns:
        Two halves of its documents; of one document, the same with half of its text, and then with half of the
        demonstrations.
    """
    count = len(batch.documents)
    if count > 1:
        halves = batch.documents[: (count + 1) // 2], batch.documents[(count + 1) // 2 :]
        return tuple(batch._replace(documents=half, part=f"{batch.part}{number}") for number, half in enumerate(halves))
    shown = min(
        characters_of(batch, configuration), max((len(document.text.strip()) for document in _shown(batch)), default=0)
    )
    if shown // 2 >= LEAST_CHARACTERS:
        return (batch._replace(characters=shown // 2),)
    return tuple(filter(None, [fewer_demonstrations(batch)]))


def characters_of(batch: Batch, configuration: Configuration) -> int:
    """Return how much of a document a batch shows at most."""
    if batch.characters is not None:
        return batch.characters
    most = configuration.generation.document_characters
    return min(most, family(configuration).document_characters or most)


def _shown(batch: Batch) -> tuple[Document, ...]:
    return (*batch.documents, *(shot.document for shot in batch.shots))


def fewer_demonstrations(batch: Batch) -> Batch | None:
    """Return a batch with the first half of its demonstrations, the anchor among them; None where there is only one."""
    count = (len(batch.demonstrations) + 1) // 2
    if count == len(batch.demonstrations):
        return None
    kept = frozenset(batch.demonstrations[:count])
    shots = tuple(shot for shot in batch.shots if shot.query in kept)
    return batch._replace(demonstrations=batch.demonstrations[:count], shots=shots)
