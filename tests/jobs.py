"""Jobs as processes of their own that are there at once: forked from one that has loaded what they need.

Loading takes most of the seconds of a small job. What is run is the file in `jobs/`, in the environment and with the
arguments of its command; how such a command itself starts and ends is tested in `tests/processes` and by refreshes.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from synalign import flow

JOBS = Path(__file__).parent.parent / "jobs"
_LOADED = [
    *sorted({f"synalign.steps.{step.job}" for step in flow.STEPS} | {"synalign.steps.job"}),
    *("torch", "tokenizers", "safetensors.torch", "openai", "mlflow.artifacts", "pyspark.sql", "scipy.optimize"),
]


class Job:
    """A job that was started.

    Args:
        step: What it does.
        arguments: Of its command.
        environment: All of it.
        folder: For what it prints.

    Attributes:
        process: Leads a group of its own, with all that it starts.
    """

    def __init__(self, step: flow.Step, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._printed, self._said = folder / "stdout", folder / "stderr"
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_LOADED)
        command = [str(JOBS / f"{step.job}.py"), "--step", step.name, *arguments]
        files = (str(self._printed), str(self._said))
        self.process: BaseProcess = context.Process(target=_run, args=(command, dict(environment), files))
        self.process.start()

    def said(self) -> str:
        """All that it told people so far."""
        return self._said.read_text(errors="replace") if self._said.exists() else ""

    def summary(self) -> dict[str, Any]:
        """What it gives at its end, which must be a good one."""
        self.process.join()
        assert self.process.exitcode == 0, self.said()[-3000:]
        found: dict[str, Any] = json.loads(self._printed.read_text().splitlines()[-1])
        return found


def _run(command: list[str], environment: dict[str, str], files: tuple[str, str]) -> None:
    os.setsid()
    for number, name in enumerate(files, start=1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command
    runpy.run_path(command[0], run_name="__main__")
