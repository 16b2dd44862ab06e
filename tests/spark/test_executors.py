"""The extra `executors` is all that tasks need: they run in a Python that has nothing else."""

from __future__ import annotations

import configparser
import json
import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from synalign.spark import cluster

ROOT = Path(__file__).parent.parent.parent


def asked_for(*texts: str) -> list[Requirement]:
    lines = [line.split("#")[0].strip() for text in texts for line in text.splitlines()]
    return [Requirement(line) for line in lines if line]


def closure(requirements: list[Requirement]) -> set[str]:
    """Names of packages, and of all that they ask for, as far as it is installed here."""
    found: set[str] = set()
    todo = [(one, frozenset(one.extras)) for one in requirements]
    while todo:
        requirement, extras = todo.pop()
        name = requirement.name.lower().replace("_", "-")
        if (key := f"{name}{sorted(extras)}") in found:
            continue
        found |= {key, name}
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for text in wanted:
            one = Requirement(text)
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras | {""}):
                todo.append((one, frozenset(one.extras)))
    return found


def python_of(folder: Path, packages: set[str]) -> Path:
    """A Python that has these packages of this one, and no others."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = next((folder / "lib").glob("python*/site-packages"))
    for package in packages:
        try:
            files = metadata.files(package) or []
        except metadata.PackageNotFoundError:
            continue
        for file in files:
            top = file.parts[0]
            if top != ".." and not (site / top).exists():
                (site / top).symlink_to(Path(str(file.locate())).parents[len(file.parts) - 1] / top)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def declared() -> list[Requirement]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    options = parser["options"]
    return asked_for(options["install_requires"], parser["options.extras_require"]["executors"])


def run(python: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A driver of this Python whose tasks run in another."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "SYNALIGN_HOME": str(folder / "home"),
    }
    return subprocess.run(
        [sys.executable, *words], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900
    )


def test_what_a_session_asks_executors_for_is_in_the_extra(declared: list[Requirement]) -> None:
    names = {requirement.name.lower().replace("_", "-") for requirement in declared}
    assert {*cluster.PACKAGES, *cluster.NEEDED} <= names


@pytest.mark.spark
def test_ingest_embed_and_mine_run_in_a_python_that_has_nothing_else(
    declared: list[Requirement], tmp_path: Path
) -> None:
    packages = closure(declared)
    assert not packages & {"mlflow", "openai", "apache-airflow-core", "ir-measures", "tea-tasting"}
    python = python_of(tmp_path / "env", packages)
    done = run(python, tmp_path, "-m", "tests.spark.executors")
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["python"] == str(python)
    assert {"queries", "query_embeddings", "document_embeddings"} <= set(found["tables"])
    assert found["negatives"] > 0
