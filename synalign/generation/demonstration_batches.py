"""What each batch is made of: its demonstrations and its target documents, read from the tables.

A batch that is too long for the model's context is made shorter: fewer documents a request, then less of each. Its
parts depend on nothing but the batch and on which requests the endpoint found too long, so that a run that was killed
and goes on asks for the same parts, whose answers it finds in the journal.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.errors import RunError
from synalign.generation.targets import choose_targets
from synalign.prompts.families import family
from synalign.run import Run, some_rows
from synalign.run.matrix import matrix
from synalign.run.memory import members_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from synalign.config import Configuration

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
    documents = run.read("documents", ["document_id"])["document_id"].to_pylist()
    if not members or not documents:
        raise RunError("there are no demonstrations or no documents.", remedy="run ingest and sample again")
    choose = _labels if run.configuration.task == "classification" else _targets
    targets = [[documents[row] for row in rows] for rows in choose(run, members, documents)]
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


def train_queries(run: Run) -> list[str]:
    """Return all real queries of the split train."""
    queries = run.read("queries", ["query", "split"])
    found: list[str] = queries.filter(pc.equal(queries["split"], "train"))["query"].to_pylist()
    return found


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


def _labels(run: Run, members: dict[str, list[str]], document_ids: list[str]) -> list[NDArray[np.int64]]:
    """Return the document of each batch's label, its only one."""
    first = {query_ids[0] for query_ids in members.values()}
    queries = some_rows.having(run, "queries", "query_id", first, ["query_id", "label"])
    label = dict(zip(queries["query_id"].to_pylist(), queries["label"].to_pylist(), strict=True))
    place = {document_id: row for row, document_id in enumerate(document_ids)}
    return [np.array([place[label[query_ids[0]]]], dtype=np.int64) for query_ids in members.values()]


def _targets(run: Run, members: dict[str, list[str]], document_ids: list[str]) -> list[NDArray[np.int64]]:
    settings = run.configuration.generation
    pairs = run.read("pairs", ["query_id", "document_id", "count", "split"])
    # Held-out pairs play no part: choosing documents by them would tell the training set about the test.
    pairs = pairs.filter(pc.equal(pairs["split"], "train"))
    place = {document_id: row for row, document_id in enumerate(document_ids)}
    events = np.zeros(len(document_ids), dtype=np.int64)
    sums = pairs.group_by("document_id").aggregate([("count", "sum")])
    events[[place[id] for id in sums["document_id"].to_pylist()]] = sums["count_sum"].to_numpy()
    pool = run.configuration.pool
    full = _full(run, place, events) if pool.explored and pool.nights else None
    asked = [query_id for ids in members.values() for query_id in ids]
    clicks: dict[str, list[tuple[int, int]]] = defaultdict(list)
    mine = pairs.filter(pc.is_in(pairs["query_id"], pa.array(sorted(set(asked)), pa.string())))
    columns = (mine[name].to_pylist() for name in ("query_id", "document_id", "count"))
    for query_id, document_id, count in zip(*columns, strict=True):
        clicks[query_id].append((-count, place[document_id]))
    vectors = some_rows.vectors(run, "query_embeddings", asked)
    ends = np.cumsum([len(query_ids) for query_ids in members.values()])[:-1]
    means = np.stack([part.mean(axis=0) for part in np.split(vectors, ends)])
    clicked = None
    if settings.targets != "cold":
        clicked = [[row for query_id in ids for _, row in sorted(clicks[query_id])] for ids in members.values()]
    documents = matrix(run.read("document_embeddings"), document_ids)
    size = settings.documents_per_batch
    most = (size + 1) // 2 if settings.targets == "mixed" else size
    return choose_targets(means, documents, events, size, clicked, most, full)


def _full(run: Run, place: dict[str, int], events: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Count carried queries as events of their documents; return which documents have enough of them."""
    carried = run.read("carried", ["document_id"])
    held = carried.group_by("document_id").aggregate([("document_id", "count")])
    written = np.zeros_like(events)
    written[[place[id] for id in held["document_id"].to_pylist()]] = held["document_id_count"].to_numpy()
    events += written
    # Events alone make no document full: a first night writes for whatever is near, as if there were no pool.
    return written >= run.configuration.pool.queries_per_document


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
