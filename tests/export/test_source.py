"""The set to export, by every name that people have for it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration, home
from synalign.errors import ConfigurationError, InputError, RegistryError, RunError
from synalign.export.source import find
from synalign.steps.job import perform
from synalign.steps.register import register
from synalign.storage import Place
from tests.changes.sets import FIRST, SECOND, Row, finished, real
from tests.export.sets import table
from tests.report.runs import made_run
from tests.storage.conftest import bucket as bucket
from tests.storage.conftest import s3_server as s3_server

Make = Callable[..., Configuration]


def queries(reference: str) -> list[str]:
    with find(reference) as found:
        return [example.query for example in found.content.examples()]


def test_a_retriever_an_interval_and_a_folder_name_its_run(configuration: Make) -> None:
    runs = [finished(configuration(), interval, real(*names)) for interval, names in ((FIRST, "ab"), (SECOND, "cd"))]
    assert queries("shop") == queries(f"shop/{SECOND.name}") == queries(str(runs[1].folder)) == ["c", "d"]
    assert queries(f"shop/{FIRST.name}") == ["a", "b"]
    with find("shop") as found:
        manifest = runs[1].manifest("assemble")
        assert manifest is not None
        assert found.digest == manifest["tables"]["training_set"]["digest"]
        assert (found.name, found.interval) == (f"shop/{SECOND.name}", SECOND.name)
    # The digest is that of the files, however they are named.
    with find(str(runs[1].table_folder("training_set"))) as found:
        assert found.digest == manifest["tables"]["training_set"]["digest"]


def test_files_are_named_by_their_path_and_bare_names_are_retrievers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: Place
) -> None:
    (tmp_path / "set").mkdir()
    pq.write_table(table(), tmp_path / "set" / "a.parquet")
    (bucket / "set" / "a.parquet").write_bytes((tmp_path / "set" / "a.parquet").read_bytes())
    monkeypatch.chdir(tmp_path)
    names = [str(tmp_path / "set"), "./set", "set/a.parquet", str(bucket / "set"), str(bucket / "set" / "a.parquet")]
    assert len({tuple(queries(name)) for name in names}) == 1
    with pytest.raises(RunError):
        queries("set")


def test_what_is_no_training_set_is_refused(tmp_path: Path, configuration: Make) -> None:
    pq.write_table(pa.table({"query": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="has no column"):
        queries(str(tmp_path / "other.parquet"))
    pq.write_table(table().slice(0, 0), tmp_path / "empty.parquet")
    with pytest.raises(InputError, match="has no rows"):
        queries(str(tmp_path / "empty.parquet"))
    with pytest.raises(InputError, match="does not exist"):
        queries(str(tmp_path / "nothing.parquet"))
    with pytest.raises(ConfigurationError, match="VERSION"):
        queries(" ")
    made_run(configuration(), until="align")
    with pytest.raises(RunError, match="has no training set yet"):
        queries("shop")


def test_a_version_is_read_from_its_run_and_from_mlflow_where_that_is_gone(
    configuration: Make, empty_database: bytes
) -> None:
    path = home() / "mlflow" / "mlflow.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(empty_database)
    run = made_run(configuration(), until="register", real=60, written=40)
    perform(run, "register", register)
    with find("shop@1") as found:
        beside = (found.name, found.interval, found.digest, queries("shop@1"))
    assert run.folder.local is not None
    shutil.rmtree(run.folder.local)
    with find("shop-training-set/1") as found:
        assert (found.name, found.interval, found.digest, queries("shop@1")) == beside
        kept = found.content.files[0].local
    assert kept is not None and not kept.exists(), "a copy was left behind"
    with pytest.raises(RegistryError):
        queries("shop@2")


def test_rows_of_a_run_may_lack_negatives(configuration: Make) -> None:
    finished(configuration(), FIRST, [*real("a"), Row("x")])
    with find("shop") as found:
        assert found.negatives(None) == 0
