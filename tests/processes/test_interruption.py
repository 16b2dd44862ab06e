"""Ctrl-C and its like in a bare job and in a command: no traceback, the exact command to go on with, nothing left."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import psutil
import pytest

from synalign.cli.arguments import DEMO
from synalign.local import demo_data
from tests.conftest import SHOP

JOBS = Path(__file__).parent.parent.parent / "jobs"
SYNALIGN = str(Path(sys.executable).with_name("synalign"))
NUMBERS = itertools.count()
WHEN = ("--start", "2026-02-28", "--end", "2026-03-01")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with data and a retriever's file."""
    home = tmp_path_factory.mktemp("home")
    demo_data.make(home / "data" / "demo", events=300)
    return home


class Group:
    """A process in a group of its own, as a shell starts it; a terminal's Ctrl-C reaches all of the group."""

    def __init__(self, home: Path, *command: str, **variables: str) -> None:
        environment = {**os.environ, "SYNALIGN_HOME": str(home), "PYTHONUNBUFFERED": "1", **variables}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(JOBS.parent), os.environ.get("PYTHONPATH")]))
        environment.pop("PYSPARK_SUBMIT_ARGS", None)
        self.command = command
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
            # A shell's background jobs, as test runs may be, have Ctrl-C ignored, and those of `nohup` SIGHUP.
            preexec_fn=lambda: [signal.signal(one, signal.SIG_DFL) for one in (signal.SIGINT, signal.SIGHUP)],
        )  # fmt: skip
        self.said = ""

    def until(self, seen: Callable[[list[psutil.Process]], bool], seconds: float = 90.0) -> list[psutil.Process]:
        """Wait until the processes below this one are as they should be."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                below = psutil.Process(self.process.pid).children(recursive=True)
            except psutil.NoSuchProcess:
                break
            if seen(below):
                return below
            time.sleep(0.05)
        raise AssertionError(f"ended or never came so far: {self.process.communicate(timeout=60)[0][-2000:]}")

    def interrupt(self, number: signal.Signals = signal.SIGINT, *, all_of_it: bool = True) -> int:
        """Send a signal; the exit code."""
        (os.killpg if all_of_it else os.kill)(self.process.pid, number)
        return self.ended()

    def ended(self) -> int:
        self.said, _ = self.process.communicate(timeout=120)
        return self.process.returncode

    def check(self, code: int, *lost: psutil.Process, read: bool = True) -> None:
        """It ended well: no traceback where somebody reads it, the command to go on with, and no process left."""
        assert self.process.returncode == code, self.said
        assert not read or ("Traceback" not in self.said and "Exception ignored" not in self.said), self.said
        found = re.search(r"Go on with:  (.*)", self.said)
        assert found, self.said
        assert shlex.split(found[1])[-len(self.command) + 1 :] == list(self.command[1:])
        deadline = time.monotonic() + 10
        while (left := [one for one in lost if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.05)
        assert left == []


def job(shop: Path, name: str, *arguments: str, **variables: str) -> Group:
    # A retriever of its own: what another test finished must not be reused.
    retriever = f"r{next(NUMBERS)}"
    file = shop / f"{retriever}.yaml"
    file.write_text((SHOP % 2).replace("retriever: small", f"retriever: {retriever}"))
    command = (sys.executable, str(JOBS / f"{name}.py"), "--config", str(file), *WHEN, *arguments)
    return Group(shop, *command, **variables)


def java(below: list[psutil.Process]) -> bool:
    return any("java" in one.name() for one in below)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.spark
def test_a_job_in_the_middle_of_spark(shop: Path, number: signal.Signals) -> None:
    group = job(shop, "ingest")
    below = group.until(java)
    time.sleep(4.0)
    # SIGTERM is Airflow's, for the job alone; the other two are a terminal's, for everything in it.
    group.interrupt(number, all_of_it=number != signal.SIGTERM)
    # A terminal that is gone shows nothing; and its SIGHUP ends Java at once, of which pyspark's threads complain.
    group.check(128 + number, *below, read=number != signal.SIGHUP)
    assert "Interrupted" in group.said and "answers that were paid for" in group.said
    assert all(line.startswith("synalign | ") for line in group.said.splitlines() if "nterrupted" in line)


@pytest.mark.spark
def test_ctrl_c_twice_ends_at_once(shop: Path) -> None:
    group = job(shop, "ingest")
    below = group.until(java)
    time.sleep(3.0)
    os.killpg(group.process.pid, signal.SIGINT)
    time.sleep(0.3)
    began = time.monotonic()
    if group.process.poll() is None:
        os.killpg(group.process.pid, signal.SIGINT)
    group.ended()
    group.check(130, *below)
    assert time.monotonic() - began < 30


JOB_NAMES = sorted(path.stem for path in JOBS.glob("*.py"))


@pytest.mark.parametrize("name", JOB_NAMES)
@pytest.mark.slow
def test_every_job_while_it_loads(shop: Path, name: str) -> None:
    group = job(shop, name)
    # Python itself is up by then, and what the job needs is not.
    time.sleep(0.35)
    assert group.interrupt() in (130, 2, 3, 4, -2), group.said
    assert "Traceback" not in group.said


def test_ctrl_c_that_pydantic_swallows_while_it_builds_a_model_is_one(tmp_path: Path) -> None:
    code = (
        "from synalign.processes.interruption import interruptible\n"
        "with interruptible():\n"
        "    from pydantic_core import SchemaError\n"
        "    raise SchemaError('Error building \"literal\" validator: KeyboardInterrupt: ')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=JOBS.parent)
    assert done.returncode == 130 and "Interrupted." in done.stderr and "Traceback" not in done.stderr, done.stderr


class _Slow(BaseHTTPRequestHandler):
    """A model endpoint that takes its time."""

    def do_POST(self) -> None:
        time.sleep(30)

    def log_message(self, *arguments: object) -> None:
        """Nothing of it."""


@pytest.fixture
def slow() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()


ASKING = """
import asyncio, sys
from pathlib import Path
from synalign.processes.interruption import interruptible_job
with interruptible_job():
    from synalign.steps.job import conclude
    from synalign.generation.client import Client
    from synalign.generation.endpoint import Endpoint
    from synalign.generation.journal import Journal
    from tests.generation.chaos_client import ASKED, CONFIGURATION

    async def ask():
        with Journal(Path(sys.argv[2])) as journal:
            async with Client(CONFIGURATION, Endpoint(sys.argv[1], "none"), journal) as client:
                print("asking", flush=True)
                await asyncio.gather(*map(client.ask, ASKED[:40]), return_exceptions=True)

    conclude(lambda: asyncio.run(ask()))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
@pytest.mark.slow
def test_in_the_middle_of_asking_a_model(tmp_path: Path, slow: str, number: signal.Signals) -> None:
    script = tmp_path / "ask.py"
    script.write_text(ASKING)
    group = Group(tmp_path, sys.executable, str(script), slow, str(tmp_path / "journal"))
    assert group.process.stdout is not None and group.process.stdout.readline() == "asking\n"
    time.sleep(0.5)
    group.interrupt(number)
    group.check(128 + number)


@pytest.mark.spark
def test_a_preview_in_the_middle_of_spark(tmp_path: Path) -> None:
    group = Group(tmp_path, SYNALIGN, "preview", str(DEMO))
    below = group.until(java)
    group.interrupt()
    group.check(130, *below)


@pytest.mark.parametrize("command", [("doctor",), ("experiment", "demo"), ("demo-data",), ("show",)])
@pytest.mark.slow
def test_a_command_at_any_moment(tmp_path: Path, command: tuple[str, ...]) -> None:
    for seconds in (0.4, 1.5):
        group = Group(tmp_path, SYNALIGN, *command)
        time.sleep(seconds)
        if group.process.poll() is not None:
            group.ended()
            continue
        below = psutil.Process(group.process.pid).children(recursive=True)
        if group.interrupt() == 130:
            group.check(130, *below)
        else:
            assert "Traceback" not in group.said


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    """`synalign ... | head -1`."""
    for command in (f"{SYNALIGN} --help", f"{SYNALIGN} experiment schema", f"{SYNALIGN} refresh --help"):
        shell = f"{command} | head -1; exit ${{PIPESTATUS[0]}}"
        environment = {**os.environ, "SYNALIGN_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
        done = subprocess.run(["bash", "-c", shell], env=environment, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
        assert "fault in SynAlign" not in done.stderr


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    """`nohup python jobs/...`."""
    code = (
        "import os, signal\n"
        "from synalign.processes.interruption import interruptible\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "with interruptible():\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    print('goes on')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr
