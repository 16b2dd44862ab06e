"""Every format does what its line in the table says, and refuses what it has no place for."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import ConfigurationError, InputError, RunError
from synalign.export import FORMATS, Options, export
from synalign.export.source import find
from synalign.storage import Place
from tests.export.sets import ROWS, Row, exported, source
from tests.storage.conftest import bucket as bucket
from tests.storage.conftest import s3_server as s3_server

EVERY = pytest.mark.parametrize("to", FORMATS)


@EVERY
def test_old_sets_without_negatives_export_too(tmp_path: Path, to: str) -> None:
    out, written = exported(tmp_path, to, count=0)
    assert {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()} == {*written.rows, "README.md"}


@EVERY
def test_a_bucket_gets_what_a_folder_gets(tmp_path: Path, bucket: Place, to: str) -> None:
    out, written = exported(tmp_path, to)
    with source(tmp_path) as found:
        export(found, to, bucket / "out")
    for name in written.rows:
        assert (bucket / "out" / name).read_bytes() == (out / name).read_bytes()


@EVERY
def test_what_a_format_has_no_place_for_is_refused(tmp_path: Path, to: str) -> None:
    for wanted, takes in (({"draw": 5}, FORMATS[to].draws), ({"scores": True}, FORMATS[to].distils)):
        if not takes:
            with pytest.raises(ConfigurationError, match="cannot go with"):
                exported(tmp_path, to, **wanted)
            assert not (tmp_path / "out").exists()


@EVERY
def test_scores_without_negatives_are_refused(tmp_path: Path, to: str) -> None:
    with pytest.raises(ConfigurationError, match="--scores"):
        exported(tmp_path, to, count=0, scores=True)


@EVERY
def test_rows_of_another_shape_are_refused_and_leave_nothing(tmp_path: Path, to: str) -> None:
    if to == "hf":
        pytest.skip("it takes columns as they are")
    with pytest.raises(InputError, match="must be a text"):
        exported(tmp_path, to, (*ROWS, Row("q", "d", None)))  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_an_unknown_format_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must be one of") as refused:
        exported(tmp_path, "tevatorn")
    assert "did you mean 'tevatron'?" in str(refused.value)


def test_a_set_is_not_exported_into_itself(tmp_path: Path) -> None:
    out, _ = exported(tmp_path, "hf", ROWS[:3])
    with find(str(out / "data")) as found, pytest.raises(ConfigurationError, match="holds the training set"):
        export(found, "tevatron", Place(out), Options(), overwrite=True)
    assert (out / "data" / "train.parquet").is_file()


def test_large_sets_come_out_whole(tmp_path: Path) -> None:
    rows = tuple(Row(f"q{n}", f"d{n % 700}", f"text {n % 700}", negatives=(f"not {n}",)) for n in range(5000))
    for to in FORMATS:
        (tmp_path / to).mkdir()
        _, written = exported(tmp_path / to, to, rows, 1)
        assert 5000 in written.rows.values() or written.rows == {"train.jsonl": 10_000}


@pytest.mark.slow
@pytest.mark.parametrize("to", ["pylate", "hf", "beir"])
def test_memory_does_not_grow_with_the_set(tmp_path: Path, to: str) -> None:
    """Texts of 240 MB pass through; what grows is what is held of a row group, and ids."""
    schema = pa.schema([(name, pa.string()) for name in ("query", "document_id", "document", "split", "negative_1")])
    schema = schema.append(pa.field("weight", pa.float64()))
    random = np.random.default_rng(0)
    for name, groups in (("small", 1), ("large", 40)):
        with pq.ParquetWriter(tmp_path / f"{name}.parquet", schema) as writer:
            for group in range(groups):
                ids = [f"{group}-{row}" for row in range(1000)]
                texts = [random.bytes(1500).hex() for _ in ids]
                columns = [ids, ids, texts, ["train"] * 1000, texts[::-1], [1.0] * 1000]
                writer.write_table(pa.table(columns, schema=schema))
    program = """
import resource, sys
from synalign.export import export
from synalign.export.source import find
from synalign.storage import Place

peaks = []
for name in ("small", "large"):
    with find(f"{sys.argv[1]}/{name}.parquet") as found:
        export(found, sys.argv[2], Place(f"{sys.argv[1]}/{name}"))
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
print(*peaks)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), to], capture_output=True, text=True, check=True
    )
    small, large = map(int, done.stdout.split())
    assert large - small < 100, f"{small} MiB became {large} MiB"


@pytest.mark.slow
def test_trainers_need_neither_spark_nor_mlflow_nor_airflow() -> None:
    """What a machine with the extra `train` alone imports: the others are made impossible to import."""
    program = """
import sys
for name in ("pyspark", "py4j", "mlflow", "airflow", "openai", "ir_measures"):
    sys.modules[name] = None
import synalign.retriever.cached
import synalign.retriever.dataset
import synalign.retriever.loss
import synalign.retriever.sampler
import synalign.export.source
from synalign.cli import application
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_not_there_is_not_exported(home: Path) -> None:
    with pytest.raises(RunError), find("shop"):
        pass
