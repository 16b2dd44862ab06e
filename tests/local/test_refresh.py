"""A refresh as it is followed and ended, with a stand-in for Airflow that says and does what a test wants."""

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from synalign import errors, progress
from synalign.local.refresh import Refresh
from synalign.progress import Event
from synalign.run import Interval

YAML = """
retriever: small
schedule: {start: 2026-01-01, cron: "0 0 * * *"}
source: {kind: log, path: log.parquet, documents: {path: documents.parquet}}
"""

# Prints what the test wrote, as Airflow prints what jobs say; then, if asked to, starts a job and waits for it.
AIRFLOW = """
import os, subprocess, sys
if sys.argv[1:3] == ["dags", "test"]:
    sys.stdout.write(open(os.environ["LINES"]).read())
    sys.stdout.flush()
    if os.environ.get("JOB"):
        subprocess.run([sys.executable, "-c", os.environ["JOB"]], start_new_session=True)
    sys.exit(int(os.environ.get("CODE", "0")))
"""

JOB = """
import os, signal, sys, time
def tidy(*_):
    print("tidied", file=open(os.environ["TIDIED"], "w"))
    sys.exit(143)
signal.signal(signal.SIGTERM, tidy)
print("synalign | INFO generate: answers come in", flush=True)
time.sleep(600)
"""


class Notes:
    """A display that takes notes."""

    progress = "json"

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.events: list[Event] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def show(self, event: Event) -> None:
        self.events.append(event)


class Place(NamedTuple):
    yaml: Path
    lines: Path

    def says(self, *lines: str) -> None:
        around = "2026-11-21T15:45:18Z [info     ] {} [airflow.task.hooks.SubprocessHook] loc=subprocess.py:106\n"
        self.lines.write_text("".join(around.format(line) for line in lines), encoding="utf-8")

    def refresh(self) -> tuple[Refresh, Notes]:
        notes = Notes()
        return Refresh(self.yaml, Interval.parse("2026-02-28", "2026-03-01"), notes), notes


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    package = tmp_path / "stand-in" / "airflow"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(AIRFLOW)
    found = Place(tmp_path / "small.yaml", tmp_path / "lines")
    found.yaml.write_text(YAML)
    monkeypatch.setenv("PYTHONPATH", str(package.parent), prepend=os.pathsep)
    monkeypatch.setenv("LINES", str(found.lines))
    found.says()
    return found


def test_lines_for_people_are_passed_on_and_events_drawn(place: Place) -> None:
    event = Event("embed", "rows", 10, 100, 9.0, 1.0)
    place.says(
        "synalign | INFO ingest: reused, nothing it depends on has changed",
        "WARN SparkContext: nobody wants to read this",
        "synalign | INFO embed: started",
        event.marked(),
        "synalign | INFO embed: a \x1b[31mred\x1b[0m query",
        "synalign | INFO embed: done in 4.1 s",
    )
    work, notes = place.refresh()
    work.run()
    assert notes.lines[1:] == [
        "INFO ingest: reused, nothing it depends on has changed",
        "INFO embed: started",
        "INFO embed: a \ufffd[31mred\ufffd[0m query",
        "INFO embed: done in 4.1 s",
    ]
    assert str(work.log) in notes.lines[0]
    assert notes.events == [event]
    assert work.ended == {"ingest": "reused", "embed": "done"}
    log = work.log.read_text()
    assert "nobody wants to read this" in log and progress.MARK not in log


@pytest.mark.parametrize("kind", [errors.GenerationError, errors.BusyError, errors.RegistryError])
def test_a_failed_step_gives_its_kind_of_error(place: Place, monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    place.says(
        "synalign | INFO sample: done in 1.0 s",
        "synalign | INFO generate: started",
        f"synalign | {kind.__name__}: it is broken.",
        "synalign | What to do: mend it",
    )
    monkeypatch.setenv("CODE", "1")
    work, notes = place.refresh()
    with pytest.raises(kind) as caught:
        work.run()
    assert "step generate" in str(caught.value) and str(work.log) in str(caught.value)
    assert "run the same command again" in str(caught.value)
    assert f"{kind.__name__}: it is broken." in notes.lines


def test_a_failure_that_nobody_explained_is_told_with_its_log(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE", "1")
    work, _ = place.refresh()
    with pytest.raises(errors.SynAlignError, match="failed in Airflow") as caught:
        work.run()
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.slow
def test_being_ended_ends_what_runs_and_says_how_to_go_on(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    place.says("synalign | INFO ingest: done in 1.0 s", "synalign | INFO generate: started")
    command = [str(Path(sys.executable).with_name("synalign")), "refresh", str(place.yaml), "--date", "2026-03-01"]
    environment = {**os.environ, "JOB": JOB, "TIDIED": str(tmp_path / "tidied")}
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell's background jobs, as test runs may be, have Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    heard: list[str] = []
    while not heard or "generate: started" not in heard[-1]:
        heard.append(process.stdout.readline())
        assert heard[-1], heard
    deadline = time.monotonic() + 60
    # The stand-in and its job: two below the command.
    while len(psutil.Process(process.pid).children(recursive=True)) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    below = psutil.Process(process.pid).children(recursive=True)
    time.sleep(1.0)
    process.send_signal(number)
    heard += process.stdout.readlines()
    assert process.wait() == 130
    text = "".join(heard)
    assert "Interrupted; finished and kept: ingest." in text
    assert "generate starts again" in text and "Traceback" not in text
    (resume,) = [line.removeprefix("Go on with:  ").strip() for line in heard if line.startswith("Go on with:  ")]
    assert shlex.split(resume)[1:] == command[1:]
    assert (tmp_path / "tidied").exists()
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in below)
