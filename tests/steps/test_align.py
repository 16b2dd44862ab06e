from collections import Counter
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from synalign.alignment import align as solve
from synalign.config import Configuration
from synalign.errors import InputError
from synalign.run import Interval, Run
from synalign.steps import align as weighting
from synalign.steps.align import align, equal_mass
from synalign.steps.job import perform
from synalign.tables import schema

Make = Callable[..., Configuration]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")


def unit(count: int, seed: int) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 6))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def embeddings(ids: list[str], rows: np.ndarray) -> pa.Table:
    return pa.table({"id": ids, "embedding": pa.array(list(rows), pa.list_(pa.float32()))})


def tables(splits: list[str], candidates: int = 20, rejected: int = 3) -> dict[str, pa.Table]:
    queries = [f"q{row}" for row in range(len(splits))]
    written = [f"c{row}" for row in range(candidates)]
    documents = [f"d{row % 4}" for row in range(candidates)]
    return {
        "queries": pa.table({
            "query_id": queries, "query": queries, "count": [1] * len(splits),
            "first_seen": pa.array([0] * len(splits), TIME), "last_seen": pa.array([0] * len(splits), TIME),
            "split": splits, "label": pa.array([None] * len(splits), pa.string()),
        }),
        "documents": pa.table({"document_id": ["d0"], "title": [""], "text": ["x"]}),
        "pairs": schema("pairs").empty_table(),
        "rejected": schema("rejected").empty_table(),
        "query_embeddings": embeddings(queries, unit(len(splits), 0)),
        "document_embeddings": embeddings(["d0"], unit(1, 9)),
        "demonstrations": schema("demonstrations").empty_table(),
        "requests": schema("requests").empty_table(),
        "attributes": schema("attributes").empty_table(),
        "candidates": pa.table({"candidate_id": written, "batch_id": ["b"] * candidates, "query": written,
                                "document_id": documents, "request_id": ["r"] * candidates}),
        "candidate_embeddings": embeddings(written, unit(candidates, 1)),
        "screening": pa.table({"candidate_id": written,
                               "status": ["rejected"] * rejected + ["accepted"] * (candidates - rejected),
                               "reason": pa.array(["leak"] * rejected + [None] * (candidates - rejected), pa.string()),
                               "score": [0.5] * candidates}),
    }  # fmt: skip


def test_each_scheme_weighs_every_accepted_candidate_and_sums_to_one(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    content = tables(["train"] * 30 + ["test"] * 10 + ["validation"] * 5)
    run = commit(Run(configuration(), INTERVAL), **content)
    metrics = perform(run, "align", align)["metrics"]
    rows = run.read("weights").to_pylist()
    assert Counter(row["scheme"] for row in rows) == {"equal": 17, "equal_mass": 17, "aligned": 17}
    assert not {row["candidate_id"] for row in rows} & {"c0", "c1", "c2"}
    by_scheme = {
        name: [row["weight"] for row in rows if row["scheme"] == name] for name in ("equal", "equal_mass", "aligned")
    }
    for weights in by_scheme.values():
        assert sum(weights) == pytest.approx(1.0)
        assert min(weights) >= 0.0
    documents = [f"d{row % 4}" for row in range(3, 20)]
    expected = solve(unit(20, 1)[3:], unit(45, 0)[:30], documents=documents, held_out=unit(45, 0)[30:40])
    np.testing.assert_array_equal(by_scheme["aligned"], expected.weights)
    assert expected.held_out is not None
    assert metrics["mmd2_held_out_after"] == expected.held_out.mmd2
    assert (metrics["real"], metrics["real_held_out"], metrics["synthetic"], metrics["documents"]) == (30, 10, 17, 4)


def test_without_held_out_queries_nothing_is_claimed_about_them(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    run = commit(Run(configuration(), INTERVAL), **tables(["train"] * 20))
    assert not any("held_out_" in key for key in perform(run, "align", align)["metrics"])


def test_without_train_queries_there_is_nothing_to_align_to(configuration: Make, commit: Callable[..., Run]) -> None:
    run = commit(Run(configuration(), INTERVAL), **tables(["test"] * 20))
    with pytest.raises(InputError, match="no train query"):
        perform(run, "align", align)


def test_a_large_log_is_summed_with_spark_and_gives_the_same_weights(
    configuration: Make, commit: Callable[..., Run], spark: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = tables(["train"] * 30 + ["test"] * 10 + ["validation"] * 5)
    run = commit(Run(configuration(), INTERVAL), **content)
    monkeypatch.setattr(weighting, "REAL_ROWS", 29)
    monkeypatch.setattr(weighting, "median_distance", lambda rows: 1.0)
    metrics = perform(run, "align", align)["metrics"]
    found = [row["weight"] for row in run.read("weights").to_pylist() if row["scheme"] == "aligned"]
    expected = solve(
        unit(20, 1)[3:], unit(45, 0)[:30], documents=[f"d{row % 4}" for row in range(3, 20)], bandwidths=1.0
    )
    np.testing.assert_allclose(found, expected.weights, atol=1e-6)
    assert metrics["real"] == 30
    assert metrics["mmd2_after"] == pytest.approx(expected.mmd2, abs=1e-9)


def test_equal_mass_by_hand() -> None:
    np.testing.assert_allclose(equal_mass(np.array(["a", "b", "b", "a", "b"])), [1 / 4, 1 / 6, 1 / 6, 1 / 4, 1 / 6])
