"""`synalign.jobs`: every job by its name, with what a driver elsewhere is given."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import synalign
from synalign import flow, jobs

ROOT = Path(__file__).parent.parent
APPLICATION = Path(synalign.__file__).parent / "jobs" / "application.py"


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, str(APPLICATION), *words], env=environment, capture_output=True, text=True, check=False
    )


def test_every_file_of_the_folder_jobs_is_a_job_of_the_package() -> None:
    assert sorted(jobs._jobs()) == sorted(path.stem for path in (ROOT / "jobs").glob("*.py"))
    assert {step.job for step in flow.STEPS} < set(jobs._jobs())


@pytest.mark.parametrize("job", ["ingest", "train", "decide_experiment"])
def test_a_job_gets_the_words_after_its_name(job: str) -> None:
    done = run(job, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {job} [-h] --config CONFIG") or "--config CONFIG" in done.stdout


def test_a_driver_finds_in_its_environment_what_it_was_given(tmp_path: Path) -> None:
    said = tmp_path / "outcomes" / "o.json"
    done = run(
        "--set", f"SYNALIGN_OUTCOME={said}", "--set", "SYNALIGN_OVERRIDES=", "align",
        "--config", str(tmp_path / "a=b.yaml"), "--start", "2026-02-28", "--end", "2026-03-01",
        SYNALIGN_OUTCOME=str(tmp_path / "other"),
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert json.loads(said.read_text())["error"] == "ConfigurationError"
    assert "a=b.yaml: cannot be read" in done.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["nosuch"], "invalid choice: 'nosuch'"), (["--set", "NAME", "align"], "must look like NAME=VALUE")],
)
def test_what_is_no_job_or_no_variable_is_refused(words: list[str], complaint: str) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert complaint in done.stderr
