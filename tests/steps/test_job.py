"""Jobs as Airflow starts them: exit codes, the last line, and messages for people."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.errors import PythonException

from synalign import flow
from synalign.config import Configuration
from synalign.errors import InputError, StorageError
from synalign.run import Attempt, Run
from synalign.steps.job import perform
from synalign.storage import Place
from tests.conftest import INTERVAL

JOBS = Path(__file__).parent.parent.parent / "jobs"
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


@pytest.mark.slow
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


def in_a_task(last: str) -> PythonException:
    """What Spark raises on the driver for an error on a worker."""
    text = f'Traceback (most recent call last):\n  File "x.py", line 1, in write\n    raise\n{last}\n SQLSTATE: 38000'
    return PythonException(f"[PYTHON_EXCEPTION] An exception was thrown from the Python worker:\n{text}")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
        (OSError("When reading information for key: AWS Error SLOW_DOWN"), StorageError),
        (ConnectionResetError("reset"), StorageError),
        (FileNotFoundError(errno.ENOENT, "No such file"), FileNotFoundError),
        (PermissionError(errno.EACCES, "Permission denied"), PermissionError),
        (ValueError("a fault in the code"), ValueError),
        (in_a_task("OSError: [Errno 28] No space left on device"), StorageError),
        (in_a_task("OSError: When reading information for key: AWS Error SLOW_DOWN"), StorageError),
        (in_a_task("FileNotFoundError: [Errno 2] No such file"), PythonException),
        (in_a_task("KeyError: 'a fault in the code'"), PythonException),
    ],
)
def test_what_storage_cannot_do_is_told_from_a_fault_in_the_code(
    configuration: Callable[..., Configuration], error: Exception, told: type[Exception]
) -> None:
    def work(attempt: Attempt) -> None:
        raise error

    run = Run(configuration(), INTERVAL)
    with pytest.raises(told) as caught:
        perform(run, "ingest", work)
    assert told is not StorageError or ("What to do" in str(caught.value) and "SQLSTATE" not in str(caught.value))
    assert run.manifest("ingest") is None


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_folder_that_cannot_be_locked_is_not_said_to_be_at_work(
    configuration: Callable[..., Configuration], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def flock(file: object, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StorageError, match=os.strerror(number)):
        perform(Run(configuration(), INTERVAL), "ingest", lambda attempt: None)


def test_how_a_step_failed_is_told_also_when_what_it_wrote_cannot_be_removed(
    configuration: Callable[..., Configuration], monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(attempt: Attempt) -> None:
        monkeypatch.setattr(Place, "remove", refused)
        raise InputError("column 'query' is missing.")

    def refused(place: Place) -> None:
        raise PermissionError("AccessDenied")

    with pytest.raises(InputError, match="column 'query' is missing"):
        perform(Run(configuration(), INTERVAL), "ingest", work)
