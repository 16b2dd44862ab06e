"""Sums over a log with Spark against the same sums over arrays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.alignment import align, real_side
from synalign.errors import InputError
from synalign.spark import kernel_means
from synalign.spark.kernel_means import spark_real_side

WIDTHS = (0.5, 1.0, 1.3)


def unit(count: int, seed: int, width: int = 6) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def log(spark: Any, tmp_path: Path) -> Any:
    """Makes a Parquet table of embeddings in several files, and its frame."""

    def make(rows: np.ndarray, files: int = 3) -> Any:
        folder = tmp_path / "embeddings"
        folder.mkdir()
        for file, places in enumerate(np.array_split(np.arange(len(rows)), files)):
            table = {"id": [f"q{place}" for place in places], "embedding": pa.array(list(rows[places]))}
            pq.write_table(pa.table(table), folder / f"part-{file}.parquet")
        return spark.read.parquet(str(folder))

    return make


def test_means_and_energy_of_a_small_log_are_the_direct_ones(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_means, "ROWS_PER_PART", 40)
    synthetic, real = unit(30, 1), unit(150, 2)
    found, direct = spark_real_side(synthetic, log(real), WIDTHS), real_side(synthetic, real, WIDTHS)
    np.testing.assert_allclose(found.mean, direct.mean, rtol=0, atol=1e-12)
    assert found.energy == pytest.approx(direct.energy, abs=1e-12)
    assert (found.energy_error, found.rows, found.bandwidths) == (0.0, 150, WIDTHS)


def test_bytes_do_not_depend_on_how_the_log_is_stored(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_means, "ROWS_PER_PART", 60)
    frame = log(unit(150, 2))
    first, second = (spark_real_side(unit(30, 1), frame.repartition(parts), 1.0) for parts in (1, 5))
    assert first.mean.tobytes() == second.mean.tobytes() and first.energy == second.energy


def test_partitions_are_added_in_blocks_before_they_reach_the_driver(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_means, "ROWS_PER_PART", 10)
    real, synthetic = unit(150, 2), unit(30, 1)
    frame, found = log(real), []
    for size in (64, 4, 4):
        # Workers look at the function, not at the module that it came from.
        monkeypatch.setattr(kernel_means, "PARTS_PER_BLOCK", size)
        found.append(spark_real_side(synthetic, frame, 1.0).mean)
    np.testing.assert_allclose(found[0], real_side(synthetic, real, 1.0).mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-14)
    assert found[1].tobytes() == found[2].tobytes()


def test_energy_of_a_large_log_is_estimated_within_its_error(log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_means, "SAMPLE_ROWS", 200)
    real = unit(1_500, 3)
    found, direct = spark_real_side(unit(20, 1), log(real), 1.0), real_side(unit(20, 1), real, 1.0)
    assert 0.0 < found.energy_error < 1e-3
    assert abs(found.energy - direct.energy) < 4.0 * found.energy_error
    np.testing.assert_allclose(found.mean, direct.mean, rtol=0, atol=1e-12)


def test_weights_from_a_summary_are_those_from_the_rows(log: Any) -> None:
    synthetic, real = unit(40, 1), unit(90, 2)
    plain = align(synthetic, real, bandwidths=1.0, ridge=1e-2)
    summed = align(synthetic, spark_real_side(synthetic, log(real), 1.0), ridge=1e-2)
    np.testing.assert_allclose(summed.weights, plain.weights, atol=1e-9)
    assert summed.mmd2 == pytest.approx(plain.mmd2, abs=1e-12)


def test_an_empty_log_is_an_error(log: Any) -> None:
    with pytest.raises(InputError, match="no real row"):
        spark_real_side(unit(5, 1), log(unit(3, 2)).where("id = 'none'"), 1.0)
