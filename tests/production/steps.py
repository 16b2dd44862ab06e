"""Single steps as processes, in a home of their own: what faults are tried on that need no more than one process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from synalign import flow
from synalign.storage import Place
from tests.production.compose import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
INTERVAL = "20260228T000000Z-20260301T000000Z"
CONCURRENCY = 2
BEFORE_GENERATE = ("ingest", "carry", "embed", "sample")


class Shop(NamedTuple):
    """A retriever's home, where its runs lie, and what its jobs' environment has beside the tests'.

    Attributes:
        home: `$SYNALIGN_HOME`.
        store: `$SYNALIGN_STORE`.
        environment: More variables.
    """

    home: Path
    store: str
    environment: Mapping[str, str]

    def command(self, step: str) -> list[str]:
        """How a step's job is started."""
        job = ROOT / "jobs" / f"{flow.step(step).job}.py"
        where = ["--config", str(self.home / "retrievers" / "small.yaml"), "--step", step]
        return [sys.executable, str(job), *where, "--start", "2026-02-28", "--end", "2026-03-01"]

    def begin(self, step: str, **variables: str) -> subprocess.Popen[str]:
        """Start a step's job, in a session of its own."""
        environment = {**os.environ, "SYNALIGN_HOME": str(self.home), "SYNALIGN_STORE": self.store}
        return subprocess.Popen(
            self.command(step), env={**environment, **self.environment, **variables}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    def run(self, step: str, **variables: str) -> tuple[int, str]:
        """Run a step's job; its exit code and what it said."""
        job = self.begin(step, **variables)
        out, said = job.communicate(timeout=900)
        return job.returncode, said + out

    def make(self, *steps: str) -> None:
        """Run steps that have to succeed."""
        for step in steps:
            code, said = self.run(step)
            assert code == 0, said[-3000:]

    def manifest(self, step: str) -> dict[str, Any]:
        """A finished step's manifest."""
        place = Place(self.store) / "runs" / "small" / INTERVAL / step / "manifest.json"
        return dict(json.loads(place.read_bytes()))

    def digests(self, *steps: str) -> dict[str, str]:
        """Digests of the tables of some steps, but for `requests`, which holds how long each request took."""
        return {
            table: content["digest"]
            for step in steps
            for table, content in self.manifest(step)["tables"].items()
            if table != "requests"
        }

    def copy(self, home: Path, **environment: str) -> Shop:
        """The same shop in another home, with all its finished steps."""
        for name in ("data", "retrievers", "runs", "embeddings"):
            if (self.home / name).exists():
                shutil.copytree(self.home / name, home / name)
        return Shop(home, str(home), {**self.environment, **environment})


class Writer(NamedTuple):
    """A running embedded writer.

    Attributes:
        port: Where it listens.
    """

    port: int

    @property
    def url(self) -> str:
        """Its address, for clients."""
        return f"http://127.0.0.1:{self.port}/v1"

    def tally(self) -> dict[str, Any]:
        """What it was asked and paid for, by its own count."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/faults", timeout=10) as answer:
            return dict(json.load(answer))

    def paid_twice(self) -> int:
        """Good answers beyond the first to each request."""
        return sum(count - 1 for count in self.tally()["paid"].values())


@contextmanager
def writer(log: Path, *arguments: str) -> Iterator[Writer]:
    """An embedded writer as a process of its own, for the time of use."""
    port = free_port()
    command = [sys.executable, "-m", "synalign.writer.server", "--port", str(port), *arguments]
    with open(log, "a", encoding="utf-8") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            running = Writer(port)
            deadline = time.monotonic() + 60
            while not _answers(running):
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            yield running
        finally:
            process.kill()


def _answers(running: Writer) -> bool:
    try:
        running.tally()
    except OSError:
        return False
    return True
