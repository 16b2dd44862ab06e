"""Tells which test starts a JVM, Airflow, an MLflow server or a browser: in its own process and in its children.

Python calls an audit hook for each process that it starts and for each module that it imports. Children have the same
hook where they inherit PYTHONPATH: `sitecustomize.py` beside this file sets it. Standard library only, for their sake.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

KINDS = {"spark": "a JVM", "airflow": "Airflow", "mlflow": "an MLflow server", "browser": "a browser"}
"""What is too heavy for `make check`, by the marker of the tests that start it."""

FOLDER = Path(__file__).parent
RECORD = "SYNALIGN_TEST_STARTS"
"""Name of the variable that holds the file in which children write what they started."""

_COMMANDS = {
    "java": "spark",
    "spark-submit": "spark",
    "spark-class": "spark",
    "airflow": "airflow",
    "mlflow": "mlflow",
    "chromium": "browser",
    "chromium-browser": "browser",
    "google-chrome": "browser",
}


def kind(command: Sequence[Any]) -> str | None:
    """Return the marker of what a command starts, None where it is nothing heavy: a question for the version is not."""
    words = [os.fsdecode(word) for word in command]
    if Path(words[0]).name in ("sh", "bash") and words[1:2] == ["-c"]:
        words = words[2].split() or [""]
    program = Path(words[0]).name
    if words[1:] == ["-version"]:
        return None
    if "playwright" in words[0]:
        return "browser"
    # `python -m airflow` may be a stand-in: the child tells when it imports the real one.
    if program.startswith("python"):
        return "mlflow" if words[1:3] == ["-m", "mlflow"] else None
    # A program may be an entry point that becomes the command after it.
    return next((found for word in words[:2] if (found := _COMMANDS.get(Path(word).name))), None)


def watch(started: Callable[[str, str], None], *, imports: bool) -> None:
    """Call a function with the marker and the command of everything heavy that this process starts, from now on.

    Args:
        started: May raise, and nothing is started then.
        imports: Whether the import of Airflow is a start of it.
    """

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if event == "subprocess.Popen":
            command = details[1] if isinstance(details[1], list | tuple) else [details[1]]
            if found := kind(command):
                started(found, " ".join(map(os.fsdecode, command))[:200])
        elif imports and event == "import" and details[0] == "airflow.configuration":
            started("airflow", "import airflow")

    sys.addaudithook(hook)


def watch_child() -> None:
    """Let a child of a test refuse to start what is heavy, and note it for the test."""
    file = os.environ.get(RECORD)
    if file is None:
        return

    def refuse(found: str, command: str) -> None:
        with open(file, "a", encoding="utf-8") as record:
            record.write(f"{found} {command}\n")
        raise RuntimeError(f"A test without the marker {found} starts {KINDS[found]}: {command}")

    watch(refuse, imports=True)
