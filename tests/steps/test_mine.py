"""The step *mine*, in real Spark, against brute force."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.steps import mine as mining
from synalign.steps.job import perform
from synalign.steps.mine import mine
from synalign.tables import content_id, schema

Make = Callable[..., Configuration]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")
pytestmark = pytest.mark.usefixtures("spark")
DOCUMENTS, REAL, WRITTEN, WIDTH = 300, 40, 30, 12


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, WIDTH))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def embeddings(ids: list[str], rows: np.ndarray) -> pa.Table:
    return pa.table({"id": ids, "embedding": pa.array(list(rows), pa.list_(pa.float32()))})


class World:
    """A collection, real pairs of all splits and written ones, as tables of a run."""

    def __init__(self) -> None:
        self.documents = unit(DOCUMENTS, 0)
        self.ids = [f"d{row}" for row in range(DOCUMENTS)]
        random = np.random.default_rng(1)
        self.own = random.integers(0, DOCUMENTS, REAL + WRITTEN)
        near = self.documents[self.own] + 0.7 * unit(REAL + WRITTEN, 2)
        self.queries = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
        self.texts = [f"query {row}" for row in range(REAL + WRITTEN)]
        self.splits = ["train"] * 30 + ["validation"] * 5 + ["test"] * 5

    def tables(self) -> dict[str, Any]:
        real, written = range(REAL), range(REAL, REAL + WRITTEN)
        documents = [self.ids[place] for place in self.own]
        # The first query was clicked a second time, on the document nearest to it.
        more = self.ids[int(np.argsort(-(self.queries[0] @ self.documents.T))[1])]
        clicks = [*((row, documents[row]) for row in real), (0, more)]
        self.more = more
        return {
            "queries": pa.table({
                "query_id": [f"q{row}" for row in real], "query": [self.texts[row] for row in real],
                "count": [1] * REAL, "first_seen": pa.array([0] * REAL, TIME), "last_seen": pa.array([0] * REAL, TIME),
                "split": self.splits, "label": pa.array([None] * REAL, pa.string()),
            }),
            "documents": pa.table({"document_id": self.ids, "title": [""] * DOCUMENTS,
                                   "text": [f"about thing {row}" for row in range(DOCUMENTS)]}),
            "pairs": pa.table({
                "pair_id": [content_id(self.texts[row], document) for row, document in clicks],
                "query_id": [f"q{row}" for row, _ in clicks], "query": [self.texts[row] for row, _ in clicks],
                "document_id": [document for _, document in clicks], "count": [1] * len(clicks),
                "split": [self.splits[row] for row, _ in clicks],
            }),
            "rejected": schema("rejected").empty_table(),
            "demonstrations": schema("demonstrations").empty_table(),
            "query_embeddings": embeddings([f"q{row}" for row in real], self.queries[:REAL]),
            "document_embeddings": embeddings(self.ids, self.documents),
            "candidates": pa.table({"candidate_id": [f"c{row}" for row in written], "batch_id": ["b"] * WRITTEN,
                                    "query": [self.texts[row] for row in written],
                                    "document_id": [documents[row] for row in written],
                                    "request_id": ["r"] * WRITTEN}),
            "candidate_embeddings": embeddings([f"c{row}" for row in written], self.queries[REAL:]),
            "screening": pa.table({
                "candidate_id": [f"c{row}" for row in written],
                "status": ["accepted"] * 25 + ["rejected"] * 5,
                "reason": pa.array([None] * 25 + ["leak"] * 5, pa.string()), "score": [1.0] * WRITTEN,
            }),
        }  # fmt: skip

    def expected(self, row: int, chosen: set[str], count: int, depth: int = 50) -> list[str]:
        """Sort all documents by cosine, and take the first that no rule objects to."""
        cosines = self.queries[row] @ self.documents.T
        own = int(self.own[row])
        most = cosines[own] - 0.05 * abs(cosines[own])
        right = [
            self.ids[place]
            for place in np.argsort(-cosines)[:depth]
            if self.ids[place] not in chosen and cosines[place] <= most
            and self.documents[place] @ self.documents[own] < 0.95
        ]  # fmt: skip
        return right[:count]


def test_every_train_pair_has_the_hardest_documents_that_nobody_chose(
    configuration: Make, commit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Parts of the collection smaller than the depth, and more tasks than one.
    monkeypatch.setattr(mining, "VECTORS_PER_PART", 37)
    monkeypatch.setattr(mining, "_PAIRS_PER_TASK", (20, 20))
    world = World()
    run = commit(Run(configuration(negatives={"sources": ["encoder"]}), INTERVAL), **world.tables())
    metrics = perform(run, "mine", mine)["metrics"]
    rows = run.read("negatives").to_pylist()
    by_pair: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_pair.setdefault(row["pair_id"], []).append(row)
    # 30 train queries, one of them with two clicks, and the accepted candidates.
    assert metrics["pairs"] == len(by_pair) == 31 + 25
    for row in [*range(30), *range(REAL, REAL + 25)]:
        own = world.ids[world.own[row]]
        found = by_pair[content_id(world.texts[row], own)]
        chosen = {own} | ({world.more} if row == 0 else set())
        assert [one["rank"] for one in found] == [0, 1, 2, 3, 4]
        assert (found[0]["document_id"], found[0]["source"]) == (own, "positive")
        near = [one["document_id"] for one in found if one["source"] == "encoder"]
        assert near == world.expected(row, chosen, 4)
        for one in found:
            assert one["cosine"] == pytest.approx(
                float(world.queries[row] @ world.documents[world.ids.index(one["document_id"])]), abs=1e-6
            )
    assert metrics["objections"]["chosen"] == 2  # each of the two clicks is no negative of the other's pair
    assert metrics["short"] == 0


def test_words_and_vectors_propose_by_turns(configuration: Make, commit: Callable[..., Run]) -> None:
    world = World()
    tables = world.tables()
    texts = [f"about thing {row}" for row in range(DOCUMENTS)]
    texts[7] = "query 3"
    tables["documents"] = tables["documents"].set_column(2, "text", pa.array(texts))
    run = commit(Run(configuration(), INTERVAL), **tables)
    metrics = perform(run, "mine", mine)["metrics"]
    rows = run.read("negatives").to_pylist()
    pair = content_id(world.texts[3], world.ids[world.own[3]])
    found = {row["document_id"]: row["source"] for row in rows if row["pair_id"] == pair}
    # Unless it is far too near by the encoder's count, the document with the query's very words is proposed.
    assert found.get("d7") == "bm25"
    assert metrics["sources"]["bm25"] >= 1 and metrics["sources"]["encoder"] >= 1


def test_what_people_passed_over_comes_first_under_the_same_rules(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    world = World()
    far = [world.ids[place] for place in np.argsort(world.queries[3] @ world.documents.T)[:2]]
    own = world.ids[world.own[3]]
    # Query 0 has a click on a document that others passed over; an id that is no document is none.
    rows = [("q3", far[0], 2), ("q3", far[1], 5), ("q3", own, 9), ("q3", "gone", 9), ("q0", world.own[0], 1)]
    tables = world.tables()
    rows[-1] = ("q0", world.more, 1)
    columns = zip(("query_id", "document_id", "count"), zip(*rows, strict=True), strict=True)
    tables["skips"] = pa.table({name: list(values) for name, values in columns})
    run = commit(Run(configuration(negatives={"sources": ["encoder"]}), INTERVAL), **tables)
    metrics = perform(run, "mine", mine)["metrics"]
    mined = run.read("negatives").to_pylist()
    of_pair = [row for row in mined if row["pair_id"] == content_id(world.texts[3], own)]
    # By turns, those that more passed over first.
    assert [row["document_id"] for row in of_pair if row["source"] == "skips"] == [far[1], far[0]]
    assert [row["source"] for row in of_pair] == ["positive", "skips", "encoder", "skips", "encoder"]
    assert metrics["sources"]["skips"] == 2
    # Of query 0 the click stands against it.
    assert not [row for row in mined if row["source"] == "skips" and row not in of_pair]


def test_words_are_searched_in_every_part_of_the_collection(
    configuration: Make, commit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of equal scores the document of the earlier part is nearer, as it is in one index."""
    monkeypatch.setattr(mining, "TEXTS_PER_PART", 90)
    monkeypatch.setattr(mining, "QUERIES_AT_ONCE", 7)
    world = World()
    tables = world.tables()
    texts = [f"about thing {row}" for row in range(DOCUMENTS)]
    for row in (5, 100, 200, 290):
        texts[row] = "query 3"
    tables["documents"] = tables["documents"].set_column(2, "text", pa.array(texts))
    settings = {"sources": ["bm25"], "depth": 3, "duplicate_cosine": 1.0}
    run = commit(Run(configuration(negatives=settings), INTERVAL), **tables)
    perform(run, "mine", mine)
    pair = content_id(world.texts[3], world.ids[world.own[3]])
    found = [row for row in run.read("negatives").to_pylist() if row["pair_id"] == pair and row["source"] == "bm25"]
    near = world.documents @ world.queries[3]
    most = near[world.own[3]] - 0.05 * abs(near[world.own[3]])
    assert [row["document_id"] for row in found] == [world.ids[row] for row in (5, 100, 200) if near[row] <= most]
    assert found


@pytest.mark.parametrize(
    "settings",
    [
        {"negatives": {"per_pair": 0}},
        {"task": "classification", "source": {"kind": "labelled", "path": "t.csv"}},
    ],
)
def test_none_are_mined_where_nobody_learns_from_them(
    configuration: Make, commit: Callable[..., Run], settings: dict[str, Any]
) -> None:
    run = commit(Run(configuration(**settings), INTERVAL), **World().tables())
    perform(run, "mine", mine)
    assert run.read("negatives").num_rows == 0


def test_a_collection_of_two_documents_gives_what_it_has(configuration: Make, commit: Callable[..., Run]) -> None:
    world = World()
    world.own = np.zeros(REAL + WRITTEN, dtype=np.int64)
    tables = world.tables()
    tables["documents"] = tables["documents"].slice(0, 2)
    tables["document_embeddings"] = tables["document_embeddings"].slice(0, 2)
    tables["pairs"] = tables["pairs"].filter(pa.compute.equal(tables["pairs"]["document_id"], "d0"))
    run = commit(Run(configuration(), INTERVAL), **tables)
    metrics = perform(run, "mine", mine)["metrics"]
    assert metrics["short"] == metrics["pairs"]
    assert run.read("negatives").filter(pa.compute.equal(run.read("negatives")["rank"], 2)).num_rows == 0
