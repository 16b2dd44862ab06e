"""What an installation lacks is told from a fault of the code, in commands and in jobs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from synalign import cli
from synalign import installed as parts
from synalign.errors import SetupError
from synalign.steps import job

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    parts.unmet.cache_clear()
    yield
    parts.unmet.cache_clear()


def having(versions: dict[str, str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let packages have other versions than they have; None: not installed."""
    real = metadata.version

    def version(name: str) -> str:
        found = versions.get(name, "real")
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return real(name) if found == "real" else found

    monkeypatch.setattr(metadata, "version", version)


def test_here_nothing_is_missing() -> None:
    assert parts.runs_jobs()
    assert parts.lacking() is None
    parts.need_jobs()


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"openai": None}, r"missing or of another version: openai \(asked: .*, installed: none\)\."),
        ({"pyspark-client": "4.1.0"}, r"pyspark-client \(asked: ==4\.2\.0, installed: 4\.1\.0\)"),
        ({"torch": None, "scipy": "1.0"}, r"scipy \(.*1\.0\), torch \("),
    ],
    ids=["missing", "another version", "two"],
)
def test_packages_that_are_missing_or_too_old_are_named(
    versions: dict[str, str | None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    having(versions, monkeypatch)
    with pytest.raises(SetupError, match=said) as raised:
        parts.need_jobs()
    assert "docker/constraints.txt" in raised.value.remedy


@pytest.mark.parametrize("installed", ["2.13.0+cpu", "2.13.0+cu130", "2.13.0"])
def test_a_build_of_the_version_asked_for_is_that_version(installed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    having({"torch": installed}, monkeypatch)
    assert parts.lacking() is None


def test_without_the_part_that_runs_jobs_people_are_told_where_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    having({"py4j": None, "pyspark": None}, monkeypatch)
    monkeypatch.setattr(parts, "runs_jobs", lambda: False)
    problem = parts.lacking()
    assert problem is not None
    assert "`docker compose exec scheduler synalign ...`" in problem.remedy


@pytest.mark.parametrize(("missing", "code", "said"), [(True, 8, "SetupError: "), (False, 1, "a fault in SynAlign")])
def test_a_command_that_cannot_be_imported_says_what_is_not_installed(
    missing: bool, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(file: Path) -> None:
        raise ModuleNotFoundError("No module named 'openai'")

    having({"openai": None} if missing else {}, monkeypatch)
    monkeypatch.setattr("synalign.retriever_files.load", load)
    monkeypatch.setattr(sys, "argv", ["synalign", "check", "x"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    assert said in capsys.readouterr().err


HIDDEN = """
import sys
from importlib import metadata, util

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

real, spec = metadata.version, util.find_spec

def version(name):
    if name in {hidden}:
        raise metadata.PackageNotFoundError(name)
    return real(name)

metadata.version = version
util.find_spec = lambda name, package=None: None if name in {hidden} else spec(name, package)
sys.meta_path.insert(0, Hidden())
sys.argv = [{job!r}, "--help"]
import runpy
runpy.run_path({job!r}, run_name="__main__")
"""


@pytest.mark.parametrize(("missing", "code", "said"), [(True, 8, "SetupError: "), (False, None, "")])
def test_a_job_that_imports_a_missing_package_late_ends_with_8_too(
    missing: bool, code: int | None, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> dict[str, Any]:
        raise ModuleNotFoundError("No module named 'openai'")

    having({"openai": None} if missing else {}, monkeypatch)
    with pytest.raises(SystemExit if missing else ModuleNotFoundError) as ended:
        job.conclude(work)
    assert getattr(ended.value, "code", None) == code
    assert f"{job.MARK}{said}" in capsys.readouterr().err or not missing


@pytest.mark.parametrize("name", ["ingest", "embed"])
def test_a_job_without_its_packages_ends_with_8_and_no_traceback(name: str) -> None:
    # As in the image `airflow`, where the same is tried with the real thing: tests/images.
    hidden = {"py4j", "torch", "openai", "mlflow", "sklearn"}
    script = HIDDEN.format(hidden=hidden, job=str(ROOT / "jobs" / f"{name}.py"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (8, "")
    assert done.stderr.startswith("SetupError: only the part of SynAlign that reads DAG files")
