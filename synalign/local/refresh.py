"""One refresh on this machine: the real DAG run by `airflow dags test`, followed while it runs, and ended with care."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import TextIO

from synalign import config, errors, progress, retriever_files
from synalign.config import Configuration
from synalign.errors import SynAlignError
from synalign.local import refresh_lock, services
from synalign.local.display import Display, printable, state
from synalign.processes import ending
from synalign.progress import Event
from synalign.registry import address, names
from synalign.run import Interval
from synalign.steps.job import MARK
from synalign.storage.home_lock import one_at_a_time

_ERROR = re.compile(r"(?P<name>\w+Error): ")
# Airflow's log adds which of its hooks passed a line on.
_HOOK = re.compile(r"\s+\[airflow\.[^\]]*\].*$")


class Refresh:
    """One refresh and how far it has come.

    Args:
        file: The retriever's YAML file.
        interval: What the run covers: between two ticks of the retriever's schedule.
        display: Where it shows how it goes.

    Raises:
        ConfigurationError: The file is wrong.

    Attributes:
        configuration: What stands in the file.
        log: Everything that Airflow and the jobs print goes there.
        ended: Steps that have ended, in their order, each with whether it was `done` or `reused`.
        step: The step that began last; empty before the first.
        prepare: Called once no other refresh of the interval can be running, before anything is read; may be set.
    """

    def __init__(self, file: Path, interval: Interval, display: Display) -> None:
        self.configuration: Configuration = retriever_files.load(file)
        # Two may begin in the same second.
        self.log = config.home() / "logs" / f"refresh-{datetime.now():%Y%m%dT%H%M%S}-{os.getpid()}.log"
        self.ended: dict[str, str] = {}
        self._file, self._interval, self._display = file, interval, display
        self.prepare: Callable[[], None] = lambda: None
        self.step, self._error = "", ""

    def run(self) -> None:
        """Run it to its end.

        Raises:
            SynAlignError: A step failed, with that step's kind of error; what was finished stays, and the next call
                goes on from there.
            BusyError: Another refresh of the same interval is running.
            RegistryError: MLflow at `$MLFLOW_TRACKING_URI` cannot be used; nothing was started.
            KeyboardInterrupt: Somebody ended it, or asked it to end (SIGTERM); every process it started has ended.
        """
        with (
            ending.signals_interrupt(),
            refresh_lock.alone(self.configuration, self._interval, self._display.say) as lock,
        ):
            self.prepare()
            self._require_mlflow()
            self._run({refresh_lock.VARIABLE: str(lock)})

    def _require_mlflow(self) -> None:
        """Fail before anything is paid for where the MLflow that the environment names cannot be used."""
        uri = services.external_tracking(services.Ports.from_environment())
        registry = address.given(address.REGISTRY_VARIABLE)
        names.require_prefix(address.registry_uri(uri or address.tracking_uri()), self.configuration.registry.prefix)
        if uri or registry:
            # Only those who have one wait for MLflow to be imported.
            from synalign.registry.connection import require_reachable

            require_reachable(uri or address.tracking_uri())

    def _run(self, more: dict[str, str]) -> None:
        dag_id = f"refresh__{self.configuration.retriever}"
        self._display.say(f"{dag_id}, through Airflow; everything it prints goes to {self.log}")
        variables = services.environment(
            services.Ports.from_environment(), servers=False, folder=self._file.resolve().parent
        )
        variables |= {progress.VARIABLE: self._display.progress, **more}
        # Who watches need not be told that a run is late (`synalign.orchestration.alerts`).
        variables["SYNALIGN_WATCHED"] = "1"
        # Who waits at a terminal mends and starts again; others can wait (`synalign.orchestration.retries`).
        variables["SYNALIGN_RETRIES"] = "0"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        airflow = [sys.executable, "-m", "airflow"]
        with open(self.log, "a", encoding="utf-8") as log, _writer(self.configuration, variables):
            # Two migrations of one database at a time meet each other's half-made tables.
            with one_at_a_time("airflow-migrate"):
                code = self._follow([*airflow, "db", "migrate"], variables, log)
            if not code:
                test = ["dags", "test", dag_id, self._interval.end.isoformat()]
                code = self._follow([*airflow, *test], variables, log)
        if code:
            raise self._failure()

    def _follow(self, command: list[str], variables: dict[str, str], log: TextIO) -> int:
        """Run a command, keep all it prints in the log, and pass on what is meant for people."""
        # A session of its own: Ctrl-C reaches this process alone, which knows in what order to end the others.
        process = subprocess.Popen(
            command,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                event = Event.read(line)
                if event is not None:
                    self._display.show(event)
                    continue
                print(line, end="", file=log, flush=True)
                if MARK in line:
                    self._hear(printable(_HOOK.sub("", line.split(MARK, 1)[1]).rstrip()))
            return process.wait()
        except KeyboardInterrupt:
            self._display.say("ending what runs (Ctrl-C again: at once) ...")
            ending.end_children(process)
            raise

    def _hear(self, line: str) -> None:
        """Remember what a line says of a step, and show it."""
        said = state(line)
        if said is not None:
            self.step = said.step
            if said.state in ("done", "reused"):
                self.ended[said.step] = said.state
        error = _ERROR.match(line)
        if error is not None:
            self._error = error["name"]
        self._display.say(line)

    def _failure(self) -> SynAlignError:
        """Return an error of the failed step's kind, for its exit code; the step's own words were shown already."""
        kind = getattr(errors, self._error, SynAlignError)
        if not issubclass(kind, SynAlignError) or kind is errors.ArgumentError:
            kind = SynAlignError
        where = f"step {self.step}" if self.step and self.step not in self.ended else "Airflow"
        return kind(
            f"the refresh failed in {where}; the whole log is {self.log}.",
            remedy="mend what the lines above name and run the same command again: finished steps are kept",
        )


@contextlib.contextmanager
def _writer(configuration: Configuration, variables: dict[str, str]) -> Iterator[None]:
    """In `mode: batch` the embedded writer must outlive the step that submits to it: it runs as long as the refresh."""
    settings = configuration.generation
    if (settings.mode, settings.endpoint) != ("batch", "embedded") or variables.get("SYNALIGN_WRITER_URL", "").strip():
        yield
        return
    from synalign.writer.server import embedded_writer

    with embedded_writer() as variables["SYNALIGN_WRITER_URL"]:
        yield
