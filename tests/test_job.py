"""Jobs as Airflow starts them: exit codes, the last line, and messages for people."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from synalign import flow

JOBS = Path(__file__).parent.parent / "jobs"
YAML = "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: %s}\n"
WHEN = ("--start", "2026-02-28", "--end", "2026-03-01")


def job(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(JOBS / f"{name}.py"), *arguments]
    return subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("yaml", "when", "code", "expected"),
    [
        (YAML % "x" + "seed: -1", WHEN, 2, "ConfigurationError:"),
        (YAML % "nowhere", WHEN, 3, "InputError: "),
        (YAML % "x", ("--start", "2026-03-01", "--end", "2026-03-01"), 4, "its end must be after its start"),
    ],
)
def test_an_error_is_told_in_marked_lines_with_its_exit_code(
    tmp_path: Path, yaml: str, when: tuple[str, ...], code: int, expected: str
) -> None:
    (tmp_path / "shop.yaml").write_text(yaml)
    done = job("ingest", "--config", str(tmp_path / "shop.yaml"), *when)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    marked = [line for line in done.stderr.splitlines() if line.startswith("synalign | ")]
    assert expected in "\n".join(marked)


def test_a_step_before_its_time_says_which_to_run(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(YAML % "x")
    done = job("sample", "--config", str(tmp_path / "shop.yaml"), *WHEN)
    assert done.returncode == 4
    assert "run step 'ingest' of shop" in done.stderr


def test_help_teaches() -> None:
    done = job("align", "--help")
    assert done.returncode == 0
    assert flow.step("align").purpose.split()[0] in done.stdout
    for option in ("--config", "--start", "--end", "--step"):
        assert option in done.stdout


def test_a_path_that_is_no_yaml_is_named() -> None:
    done = job("screen", "--config", "/nowhere.yaml", *WHEN)
    assert done.returncode == 2
    assert "/nowhere.yaml: cannot be read" in done.stderr
    assert json.dumps({}) not in done.stdout
