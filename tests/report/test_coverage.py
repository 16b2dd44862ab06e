"""Coverage of real traffic by demonstrations, against the sampler's own figures and against loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.report.coverage import DRAWS, SEED, coverage
from synalign.report.material import Material
from synalign.run import Run
from synalign.sampling import sample_demonstrations
from tests.report.runs import INTERVAL, made_run

Make = Callable[..., Configuration]


@pytest.fixture
def made(configuration: Make) -> Material:
    """A run until its demonstrations."""
    return Material(made_run(configuration(), real=300, until="generate"))


def vectors(run: Run, split: str) -> tuple[list[str], np.ndarray]:
    """Ids and vectors of a split, in the table's order."""
    queries = run.read("queries")
    ids = [row["query_id"] for row in queries.select(["query_id", "split"]).to_pylist() if row["split"] == split]
    table = run.read("query_embeddings")
    rows = dict(zip(table["id"].to_pylist(), table["embedding"].to_pylist(), strict=True))
    return ids, np.array([rows[name] for name in ids], dtype=np.float32)


def test_uncertainty_is_what_the_sampler_found(configuration: Make, commit: Callable[..., Run]) -> None:
    settings = configuration(sampling={"batches": 5, "neighbours": 3, "breadth": 6})
    run = made_run(settings, real=300, until="sample")
    ids, rows = vectors(run, "train")
    selection = sample_demonstrations(rows, 5, 3, breadth=6)
    shown = np.column_stack([selection.anchors, selection.neighbours])
    table = pa.table({
        "batch_id": [f"b{batch}" for batch in range(5) for _ in range(4)],
        "position": [0, 1, 2, 3] * 5,
        "query_id": [ids[row] for row in shown.ravel()],
        "role": ["anchor", "neighbour", "neighbour", "neighbour"] * 5,
        "variance": np.repeat(selection.variance, 4),
    })  # fmt: skip
    commit(Run(settings, INTERVAL), demonstrations=table)
    found = coverage(Material(run), None)
    assert found.uncertainty == pytest.approx(selection.uncertainty, abs=1e-9)


def test_distances_are_means_to_the_nearest_demonstration(made: Material) -> None:
    _, held_out = vectors(made.run, "test")
    ids, train = vectors(made.run, "train")
    shown = made.run.read("demonstrations")["query_id"].to_pylist()
    found = coverage(made, None)
    assert found.selected is not None
    for batch in (0, 2, 5):
        some = train[[ids.index(name) for name in shown[: 8 * (batch + 1)]]]
        expected = np.mean([1.0 - max(float(a @ b) for b in some) for a in held_out])
        assert found.selected[batch] == pytest.approx(expected, abs=1e-6)


def test_random_batches_are_as_many_train_queries_drawn_with_the_stated_seed(made: Material) -> None:
    _, held_out = vectors(made.run, "test")
    _, train = vectors(made.run, "train")
    found = coverage(made, None)
    assert found.random is not None and found.random.shape == (DRAWS, 6)
    pick = np.random.default_rng(SEED).permutation(len(train))[:48]
    assert found.random[0, -1] == pytest.approx(float((1.0 - (held_out @ train[pick].T).max(axis=1)).mean()), abs=1e-6)
    assert (np.diff(found.random, axis=1) <= 1e-12).all()


def test_what_earlier_intervals_showed_leaves_less_to_learn(made: Material) -> None:
    _, train = vectors(made.run, "train")
    assert (coverage(made, train[:50]).uncertainty < coverage(made, None).uncertainty).all()
