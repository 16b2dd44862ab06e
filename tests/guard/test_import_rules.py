"""Every rule of .importlinter holds, and can fail: imports that break them are written into a copy of the code."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = "A room imports only rooms below it"
LIGHT = "DAG files and their operators reach nothing heavy"
ENDPOINT = "Generation does not know the embedded writer"
MLFLOW = "Only the registry talks to MLflow"
OBJECTS = "Only storage talks to object storage"

# A line added to a file; the rule that it breaks, and the words in which that is told.
BREACHES = [
    ("config/home.py", "from synalign.storage import Place", ROOMS, "config is not allowed to import synalign.storage"),
    ("local/display.py", "import synalign.orchestration.retries", ROOMS,
     "local is not allowed to import synalign.orchestration"),
    ("alignment/weights.py", "import synalign.tables", ROOMS, "alignment is not allowed to import synalign.tables"),
    ("sampling/rows.py", "import synalign.text.words", ROOMS, "sampling is not allowed to import synalign.text"),
    ("text/words.py", "import synalign.flow", ROOMS, "text is not allowed to import synalign.flow"),
    ("arrays/tally.py", "import synalign.progress", ROOMS, "arrays is not allowed to import synalign.progress"),
    ("generation/client.py", "import synalign.writer.endpoint", ENDPOINT,
     "generation is not allowed to import synalign.writer"),
    ("orchestration/retries.py", "import numpy", LIGHT, "synalign.orchestration is not allowed to import numpy"),
    ("../dags/refresh.py", "from synalign.steps import align", LIGHT, "dags is not allowed to import pyspark"),
    # Rooms below, and inside of a function.
    ("masking.py", "def read(path):\n    import pandas", LIGHT, "dags is not allowed to import pandas"),
    ("steps/evaluate.py", "from mlflow import MlflowClient", MLFLOW, "synalign.steps.evaluate -> mlflow"),
    ("../jobs/align.py", "import mlflow.tracking", MLFLOW, "jobs is not allowed to import mlflow"),
    ("registry/release.py", "import boto3", OBJECTS, "synalign.registry.release -> boto3"),
    ("generation/journal.py", "from botocore.exceptions import ClientError", OBJECTS,
     "synalign.generation.journal -> botocore"),
]  # fmt: skip


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the rules are about."""
    folder = tmp_path_factory.mktemp("code")
    for name in ("synalign", "dags", "jobs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", folder)
    return folder


def told(code: Path) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=code, env={**os.environ, "PYTHONPATH": str(code)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode == 0) == (" BROKEN" not in done.stdout), done.stdout + done.stderr
    assert "Contracts: " in done.stdout, done.stdout + done.stderr
    return done.stdout


def test_the_rules_hold(code: Path) -> None:
    assert "BROKEN" not in told(code)


def test_a_room_without_a_line_is_found(code: Path) -> None:
    room = code / "synalign" / "attic"
    room.mkdir()
    (room / "__init__.py").touch()
    try:
        said = told(code)
    finally:
        shutil.rmtree(room)
    assert f"{ROOMS} BROKEN" in said and "attic" in said


@pytest.fixture(scope="module")
def breached(code: Path) -> str:
    """What is told of a copy in which every rule is broken."""
    for file, line, _, _ in BREACHES:
        path = code / "synalign" / file
        path.write_text(f"{path.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")
    return told(code)


@pytest.mark.parametrize(("rule", "words"), [breach[2:] for breach in BREACHES], ids=[words for *_, words in BREACHES])
def test_an_import_that_breaks_a_rule_is_found(breached: str, rule: str, words: str) -> None:
    assert f"{rule} BROKEN" in breached
    _, _, reasons = breached.partition("Broken contracts")
    _, _, reasons = reasons.partition(f"{rule}\n---")
    assert words in reasons
