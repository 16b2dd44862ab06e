"""Ending what a process started: asked first, killed if need be, nothing left."""

import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from synalign.processes import ending

# A scheduler that starts a job in a session of its own, and starts it anew whenever it ends.
SCHEDULER = """
import subprocess, sys
while True:
    subprocess.run([sys.executable, "-c", sys.argv[1], *sys.argv[2:]], start_new_session=True)
"""
# A job that tidies up when it is asked to end.
JOB = """
import pathlib, signal, sys, time
def tidy(*_):
    pathlib.Path(sys.argv[1], "tidied").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, tidy)
with open(pathlib.Path(sys.argv[1], "started"), "a") as file:
    file.write("x")
time.sleep(600)
"""
DEAF = JOB.replace("tidy(*_)", "ignore(*_)").replace("signal.SIGTERM, tidy", "signal.SIGTERM, signal.SIG_IGN")


def started(folder: Path, job: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", SCHEDULER, job, str(folder)], text=True)
    deadline = time.monotonic() + 60
    while not (folder / "started").exists() or not (folder / "started").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_a_job_tidies_up_and_its_scheduler_does_not_start_it_anew(tmp_path: Path) -> None:
    process = started(tmp_path, JOB)
    children = psutil.Process(process.pid).children(recursive=True)
    ending.end_children(process, patience=60)
    assert (tmp_path / "tidied").exists()
    assert (tmp_path / "started").read_text() == "x"
    assert process.returncode == -9
    assert children and not any(child.is_running() and child.status() != "zombie" for child in children)


@pytest.mark.slow
def test_a_job_that_does_not_listen_is_killed_when_patience_is_over(tmp_path: Path) -> None:
    process = started(tmp_path, DEAF)
    (child,) = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    ending.end_children(process, patience=0.5)
    assert 0.5 <= time.monotonic() - began < 30
    assert not child.is_running() or child.status() == "zombie"


@pytest.mark.slow
def test_being_interrupted_again_ends_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = started(tmp_path, DEAF)
    (child,) = psutil.Process(process.pid).children(recursive=True)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ending, "time", SimpleNamespace(monotonic=time.monotonic, sleep=interrupt))
    with pytest.raises(KeyboardInterrupt):
        ending.end_children(process, patience=600)
    assert process.returncode is not None
    assert not child.is_running() or child.status() == "zombie"


def test_a_process_that_ended_by_itself_is_no_trouble() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""], text=True)
    process.wait()
    ending.end_children(process, patience=0.0)
    assert process.returncode == 0


def test_signals_to_end_are_met_as_an_interrupt() -> None:
    code = (
        "import os, signal\nfrom synalign.processes.ending import signals_interrupt\n"
        "for number in (signal.SIGTERM, signal.SIGHUP):\n"
        "    try:\n"
        "        with signals_interrupt():\n"
        "            os.kill(os.getpid(), number); signal.pause()\n"
        "    except KeyboardInterrupt:\n"
        "        print(number.name)\n"
        "assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "SIGTERM\nSIGHUP\n", done.stderr
