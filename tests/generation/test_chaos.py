"""A thousand requests, every fault a provider has, twenty kills: nothing is lost, and nothing paid for twice but what
was in flight when a kill came. What was paid is counted at the server."""

from __future__ import annotations

import json
import math
import os
import random
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from synalign.generation.journal import Journal
from tests.generation.chaos_client import CONCURRENCY, DONE, GIVEN_UP, REQUESTS, UNFINISHED, clients

# A run of minutes, under a proxy, killed and started again.
pytestmark = pytest.mark.slow

KILLS = 20
SEED = 20
FAULTS = {
    "429": 0.01, "429-retry-after": 0.01, "500": 0.03, "drop": 0.02, "drip": 0.02, "truncated-body": 0.02,
    "wrong-json": 0.02, "wrong-schema": 0.02, "refusal": 0.005, "quota": 0.004,
}  # fmt: skip


class Starter:
    """Starts the client, again and again."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path, url: str) -> None:
        self.process, self.folder, self.url = process, folder, url
        self.journal, self.output = folder / "journal", folder / "answers.txt"

    def start(self) -> int:
        """Id of the started process, which leads its group."""
        order = {"url": self.url, "folder": str(self.journal), "output": str(self.output)}
        self.process.stdin.write(json.dumps(order).encode() + b"\n")
        return int(self.process.stdout.readline())

    def ended(self, seconds: float) -> bool:
        """Whether the process has ended, or does within this time."""
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def status(self) -> int:
        """How it ended; waits for it."""
        return int(self.process.stdout.readline())

    def kept(self) -> int:
        """Bytes in its journal."""
        return sum(path.stat().st_size for path in self.journal.glob("*"))


class Kill(NamedTuple):
    """What one kill cost.

    Attributes:
        in_flight: Requests at work at the server when it came.
        lost: Good answers that the server sent since the start before, and that are not in the journal.
        torn: Whether a line was torn.
    """

    in_flight: int
    lost: int
    torn: bool


@contextmanager
def served(**faults: float):
    """The writer as a process of its own, from its command line."""
    switches = [part for kind, share in faults.items() for part in ("--fault", f"{kind}={share}")]
    command = [sys.executable, "-m", "synalign.writer.server", "--port", "0", "--latency", "0.02:0.02"]
    timing = ["--retry-after", "0.05", "--drip", "0.2", "--seed", str(SEED)]
    with subprocess.Popen([*command, *switches, *timing], stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def process():
    with clients() as process:
        yield process


def counted(url: str, settled: bool = False) -> dict[str, Any]:
    """The server's counts; settled: when it is done with all that a killed client sent."""
    deadline, quiet = time.monotonic() + 10, None
    while True:
        with urllib.request.urlopen(url.removesuffix("/v1") + "/faults") as response:
            counts = json.load(response)
        if not settled or (counts["in_flight"] == 0 and counts["received"] == quiet):
            return counts
        assert time.monotonic() < deadline, "the server does not come to rest"
        quiet = counts["received"]
        time.sleep(0.02)


def kept_answers(starter: Starter) -> tuple[int, bool]:
    """How many answers are in the journal, and whether a kill tore the last line."""
    content = b"".join(path.read_bytes() for path in starter.journal.glob("*"))
    return content.count(b"\n"), bool(content) and not content.endswith(b"\n")


def calm(process: subprocess.Popen[bytes], folder: Path) -> tuple[str, int]:
    """Answers, and bytes of the journal, when nothing goes wrong."""
    with served() as url:
        starter = Starter(process, folder, url)
        starter.start()
        assert starter.status() == DONE
        paid = counted(url)["paid"]
    assert len(paid) == REQUESTS and set(paid.values()) == {1}
    return starter.output.read_text(), starter.kept()


def time_to_kill(starter: Starter, kept: float, delay: float) -> bool:
    """Wait until the journal has so many bytes, and a little longer; False if the process ended before."""
    while not starter.ended(0.002):
        if starter.kept() >= kept:
            return not starter.ended(delay)
    return False


def killed_at_random(starter: Starter, whole: int, generator: random.Random) -> tuple[list[Kill], Counter[int]]:
    """Start the client until it is done, and kill it at random moments: most at work, some while it starts.

    Returns:
        The kills, and how it ended the other times.
    """
    moments = sorted(generator.uniform(0.02, 0.95) * whole for _ in range(KILLS))
    early = set(generator.sample(range(KILLS), KILLS // 4))
    kills: list[Kill] = []
    ends: Counter[int] = Counter()
    before: Counter[str] = Counter()
    while not ends[DONE]:
        child = starter.start()
        number = len(kills)
        moment = math.inf if number == KILLS else 0 if number in early else moments[number]
        if time_to_kill(starter, moment, generator.uniform(0.0, 0.3 if number in early else 0.02)):
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        status = starter.status()
        in_flight = counted(starter.url)["in_flight"]
        paid = Counter(counted(starter.url, settled=True)["paid"])
        kept, torn = kept_answers(starter)
        lost = paid.total() - kept - sum(each.lost for each in kills)
        if status == -signal.SIGKILL:
            kills.append(Kill(in_flight, lost, torn))
        else:
            ends[status] += 1
            assert lost == 0, "an end that was no kill lost a good answer"
        # Between two starts no request is paid for twice, whatever goes wrong.
        assert max((paid - before).values(), default=0) <= 1
        before = paid
    return kills, ends


def test_every_request_is_paid_once_but_for_what_was_in_flight_at_a_kill(process, tmp_path):
    answers, whole = calm(process, tmp_path / "calm")
    with served(**FAULTS) as url:
        starter = Starter(process, tmp_path / "chaos", url)
        kills, ends = killed_at_random(starter, whole, random.Random(SEED))
        counts = counted(url, settled=True)
    print(f"{dict(ends)=}, kills={[tuple(each) for each in kills]}, sent={counts['sent']}")
    assert starter.output.read_text() == answers
    assert len(kills) == KILLS and set(ends) <= {DONE, UNFINISHED, GIVEN_UP}
    # Otherwise the run was calmer than it was meant to be.
    assert set(counts["sent"]) == {"good", *FAULTS} and max(each.lost for each in kills) > 0
    paid = counts["paid"]
    assert len(paid) == REQUESTS
    assert all(0 <= each.lost <= CONCURRENCY for each in kills)
    assert sum(paid.values()) - REQUESTS <= sum(each.lost for each in kills)
    with Journal(starter.journal) as journal:
        assert len(journal) == REQUESTS
    assert kept_answers(starter) == (REQUESTS, False)
