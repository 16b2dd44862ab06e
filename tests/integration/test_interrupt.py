"""Ctrl-C in a terminal, in the middle of a step in Spark: nothing is lost, nothing is left running; then resumed."""

import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from synalign import flow

ROOT = Path(__file__).parent.parent.parent
ANEW = ("ingest", "embed", "register", "report")


def in_terminal(command: list[str], environment: dict[str, str], until: str) -> tuple[int, str]:
    """Run a command in a terminal, press Ctrl-C once it shows `until`; its exit code, and all that it showed."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        # A shell's background jobs, as test runs may be, have Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvpe(command[0], command, {**environment, "TERM": "xterm", "COLUMNS": "200"})
    shown, pressed, deadline = "", False, time.monotonic() + 1200
    while time.monotonic() < deadline:
        try:
            if select.select([terminal], [], [], 1.0)[0]:
                part = os.read(terminal, 65536)
                if not part:
                    break
                shown += part.decode(errors="replace")
        except OSError:
            # A terminal's way to say that nobody has it any more.
            break
        # Frames follow one another on one endless line: only the latest is looked at.
        if not pressed and re.search(until, shown[-2000:]):
            os.write(terminal, b"\x03")
            pressed = True
    assert pressed, shown[-3000:]
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def working_in(home: Path) -> list[str]:
    """Command lines of processes that have this home."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SYNALIGN_HOME") == str(home):
                found.append(shlex.join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def test_ctrl_c_loses_nothing_and_says_how_to_go_on(calm: Any, tmp_path: Path) -> None:
    """In a home of its own, where all that reads vectors is finished: the vectors must come out the same to the bit."""
    home = tmp_path / "home"
    with calm.to_itself():
        for name in ("data", "runs", "retrievers"):
            shutil.copytree(calm.home / name, home / name)
    other = calm._replace(home=home, yaml=home / "retrievers" / "small.yaml")
    for step in ANEW:
        shutil.rmtree(other.folder / step)
    command = [str(Path(sys.executable).with_name("synalign")), "refresh", str(other.yaml), "--date", "2026-03-01"]

    # Vectors are being computed: there is a JVM, and Python workers below it.
    code, shown = in_terminal(command, other.environment(), r"embed \(3 of \d+\)[^\r\n]* of \d+ texts")

    assert code == 130
    assert "Traceback" not in shown
    assert "Interrupted; finished and kept: ingest, carry." in shown
    assert "embed starts again" in shown
    assert working_in(home) == []
    assert [path.name for path in (other.folder / "embed").glob("*-*")] == []
    ingested = other.manifest("ingest")

    found = re.search(r"Go on with:  (.*)", shown)
    assert found
    resume = [*shlex.split(found[1].strip()), "--json"]
    done = subprocess.run(resume, env=other.environment(), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-3000:]
    summary = json.loads(done.stdout)
    assert other.manifest("ingest") == ingested
    reused = [step.name for step in flow.STEPS if step.name not in ("embed", "register", "report")]
    assert [name for name, step in summary["steps"].items() if step["reused"]] == reused
    for step in reused:
        assert f"{step}: reused" in done.stderr
    assert summary["training_set"]["version"] == "1"
    assert Path(summary["report"]["path"]).is_file()
    assert "\x1b" not in done.stderr and "embed: done in" in done.stderr
    assert other.digests() == calm.digests()
