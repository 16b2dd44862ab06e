from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.errors import InputError
from synalign.run import Interval, Run
from synalign.run.memory import earlier_demonstrations
from synalign.sampling import sample_demonstrations
from synalign.steps import sample as demonstrations
from synalign.steps.job import perform
from synalign.steps.sample import sample
from synalign.tables import content_id

Make = Callable[..., Configuration]
TIME = pa.timestamp("us", tz="UTC")


def tables(count: int, train: int, seed: int = 0) -> dict[str, pa.Table]:
    """Made queries: the first `train` of them in the split train, the others in test."""
    rows = np.random.default_rng(seed).normal(size=(count, 8))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    ids = [f"q{row:03d}" for row in range(count)]
    nothing = pa.array([], pa.string())
    embedding = pa.table({"id": ids, "embedding": pa.array(list(rows), pa.list_(pa.float32()))})
    return {
        "queries": pa.table({
            "query_id": ids, "query": ids, "count": list(range(1, count + 1)),
            "first_seen": pa.array([0] * count, TIME), "last_seen": pa.array([0] * count, TIME),
            "split": ["train"] * train + ["test"] * (count - train), "label": pa.array([None] * count, pa.string()),
        }),
        "documents": pa.table({"document_id": ["d"], "title": [""], "text": ["x"]}),
        "pairs": pa.table({"pair_id": nothing, "query_id": nothing, "query": nothing, "document_id": nothing,
                           "count": pa.array([], pa.int64()), "split": nothing}),
        "rejected": pa.table({"source": nothing, "row": nothing, "rule": nothing, "reason": nothing}),
        "query_embeddings": embedding,
        "document_embeddings": embedding.slice(0, 0),
    }  # fmt: skip


def vectors(content: dict[str, pa.Table]) -> np.ndarray:
    return np.array(content["query_embeddings"]["embedding"].to_pylist(), dtype=np.float32)


def day(number: int) -> Interval:
    return Interval.parse(f"2026-02-{number:02d}", f"2026-02-{number + 1:02d}")


def test_batches_are_those_of_the_sampler_and_come_from_train_only(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    content = tables(60, 40)
    run = commit(Run(configuration(sampling={"batches": 4, "neighbours": 3}), day(1)), **content)
    perform(run, "sample", sample, earlier_demonstrations(run))
    rows = run.read("demonstrations").to_pylist()
    selection = sample_demonstrations(vectors(content)[:40], 4, 3, counts=np.arange(1, 41))
    expected = [
        [anchor, *neighbours] for anchor, neighbours in zip(selection.anchors, selection.neighbours, strict=True)
    ]
    assert [row["query_id"] for row in rows] == [f"q{member:03d}" for batch in expected for member in batch]
    assert [row["role"] for row in rows[:4]] == ["anchor", "neighbour", "neighbour", "neighbour"]
    assert rows[0]["batch_id"] == content_id(*(row["query_id"] for row in rows[:4]))
    assert rows[4]["variance"] == selection.variance[1]


def test_of_too_many_queries_some_are_drawn_that_stand_for_all_by_traffic(
    configuration: Make, commit: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demonstrations, "POOL", 50)
    content = tables(200, 160)
    run = commit(Run(configuration(sampling={"batches": 4, "neighbours": 3}), day(1)), **content)
    perform(run, "sample", sample, earlier_demonstrations(run))
    figures = run.require("sample")["metrics"]
    assert (figures["train_queries"], 20 <= figures["pool"] <= 50) == (160, True)
    queries, counts, known = demonstrations._pool(run)
    assert (known, queries.num_rows) == (160, figures["pool"])
    # How a row is weighted when batches are picked adds up to what it does over all.
    assert np.sqrt(counts).sum() == pytest.approx(np.sqrt(np.arange(1, 161)).sum())
    pool = queries["query_id"].to_pylist()
    assert set(run.read("demonstrations")["query_id"].to_pylist()) <= set(pool)
    # Traffic counts: the busier half is drawn more often.
    assert sum(query >= "q080" for query in pool) > 0.55 * len(pool)


def test_the_next_interval_goes_where_the_last_did_not(configuration: Make, commit: Callable[..., Run]) -> None:
    content = tables(80, 80)
    settings = configuration(sampling={"batches": 4, "neighbours": 3})
    picked = []
    for number in (1, 2):
        run = commit(Run(settings, day(number)), **content)
        outside = earlier_demonstrations(run)
        assert len(outside) == number - 1
        perform(run, "sample", sample, outside)
        picked.append(set(run.read("demonstrations")["query_id"].to_pylist()))
    assert run.require("sample")["metrics"]["shown_earlier"] == 16
    assert len(picked[0] & picked[1]) <= 2
    without = configuration(sampling={"batches": 4, "neighbours": 3, "memory": 0}, pool={"nights": 0})
    forgetful = commit(Run(without, day(3)), **content)
    perform(forgetful, "sample", sample, earlier_demonstrations(forgetful))
    assert set(forgetful.read("demonstrations")["query_id"].to_pylist()) == picked[0]


def test_batches_of_little_gain_are_not_asked_for_but_one(configuration: Make, commit: Callable[..., Run]) -> None:
    """Traffic that stands still: what it cost the first time is not paid again."""
    content, asked = tables(80, 80), []
    settings = configuration(sampling={"batches": 4, "neighbours": 3, "stop_gain": 0.9})
    for number in (1, 2, 3, 4, 5, 6):
        run = commit(Run(settings, day(number)), **content)
        metrics = perform(run, "sample", sample, earlier_demonstrations(run))["metrics"]
        asked.append(metrics["batches"])
        assert metrics["batches"] + metrics["batches_not_worth_asking"] == 4
    assert asked[0] == 4 and asked[-1] == 1
    # Without the setting all are asked for.
    every = commit(Run(configuration(sampling={"batches": 4, "neighbours": 3, "stop_gain": 0}), day(7)), **content)
    assert perform(every, "sample", sample, earlier_demonstrations(every))["metrics"]["batches"] == 4


def test_what_an_earlier_interval_showed_is_part_of_what_makes_a_step_reusable(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    settings = configuration(sampling={"batches": 2, "neighbours": 3})
    run = commit(Run(settings, day(5)), **tables(60, 60))
    perform(run, "sample", sample, earlier_demonstrations(run))
    assert perform(run, "sample", sample, earlier_demonstrations(run))["reused"] is True
    before = commit(Run(settings, day(4)), **tables(60, 60, seed=1))
    perform(before, "sample", sample, earlier_demonstrations(before))
    assert perform(run, "sample", sample, earlier_demonstrations(run))["reused"] is False


def test_fewer_queries_than_asked_for_give_fewer_batches_and_too_few_an_error(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    run = commit(Run(configuration(sampling={"batches": 50, "neighbours": 3}), day(1)), **tables(20, 18))
    summary = perform(run, "sample", sample, {})
    assert (summary["metrics"]["batches"], summary["metrics"]["batches_asked_for"]) == (4, 50)
    few = commit(Run(configuration(retriever="few"), day(1)), **tables(20, 7))
    with pytest.raises(InputError, match="7 distinct train queries are too few for a batch of 8"):
        perform(few, "sample", sample, {})


def labelled(count: int, labels: list[str | None], seed: int = 0) -> dict[str, pa.Table]:
    """Train texts with labels, given in turn; all seen once."""
    content = tables(count, count, seed)
    queries = content["queries"].drop_columns(["label", "count"])
    given = pa.array([labels[row % len(labels)] for row in range(count)], pa.string())
    return {**content, "queries": queries.append_column("label", given).append_column("count", pa.array([1] * count))}


def batch_labels(run: Run) -> list[set[str]]:
    """The labels in each batch, in the order of the table."""
    queries = run.read("queries").to_pylist()
    label = {row["query_id"]: row["label"] for row in queries}
    batches: dict[str, set[str]] = {}
    for row in run.read("demonstrations").to_pylist():
        batches.setdefault(row["batch_id"], set()).add(label[row["query_id"]])
    return list(batches.values())


SOURCE = {"kind": "labelled", "path": "texts"}


@pytest.mark.parametrize(("balance", "expected"), [("proportional", [2, 6]), ("equal", [4, 4])])
def test_batches_of_texts_are_of_one_label_each(
    configuration: Make, commit: Callable[..., Run], balance: str, expected: list[int]
) -> None:
    settings = configuration(
        task="classification", source=SOURCE, sampling={"batches": 8, "neighbours": 3, "label_balance": balance}
    )
    run = commit(Run(settings, day(1)), **labelled(80, ["a", "b", "b", "b"]))
    summary = perform(run, "sample", sample, {})
    assert batch_labels(run) == [{"a"}] * expected[0] + [{"b"}] * expected[1]
    assert (summary["metrics"]["batches"], summary["metrics"]["labels"]) == (8, 2)


def test_a_label_with_few_texts_gives_one_smaller_batch(configuration: Make, commit: Callable[..., Run]) -> None:
    settings = configuration(task="classification", source=SOURCE, sampling={"batches": 50, "neighbours": 3})
    run = commit(Run(settings, day(1)), **labelled(42, [*["many"] * 20, "one"]))
    perform(run, "sample", sample, {})
    rows = run.read("demonstrations").to_pylist()
    assert batch_labels(run) == [{"many"}] * 10 + [{"one"}]
    assert [row["position"] for row in rows[40:]] == [0, 1]
    alone = commit(Run(settings, day(2)), **labelled(3, ["x", "y", None]))
    perform(alone, "sample", sample, {})
    assert batch_labels(alone) == [{"x"}, {"y"}]


def test_texts_without_any_label_are_an_error(configuration: Make, commit: Callable[..., Run]) -> None:
    run = commit(Run(configuration(task="classification", source=SOURCE), day(1)), **labelled(20, [None]))
    with pytest.raises(InputError, match="no train query has a label"):
        perform(run, "sample", sample, {})
