"""Faults that befall one step: what it wrote, and what was paid for, is as on a calm day once it has ended well.

Each step is a real process; the servers it talks to stand behind a line that fails. The whole topology, and the faults
of its own, are in `test_faults`.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import s3
from tests.production import faults
from tests.production.conftest import EXTENT
from tests.production.faults import Seen
from tests.production.proxy import NONE, Fault, Proxy, Request, fair, line
from tests.production.steps import BEFORE_GENERATE, CONCURRENCY, Shop, Writer, writer

AWAY_SECONDS = 60.0 if EXTENT == "full" else 15.0
YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory, make_shop: Callable[..., Path]) -> Iterator[Shop]:
    """A shop whose first steps, *generate* included, nothing disturbed."""
    home = tmp_path_factory.mktemp("calm") / "home"
    yaml = make_shop(home, events=700, batches=10)
    yaml.write_text(yaml.read_text() + f"runtime: {{concurrency: {CONCURRENCY}, timeout_seconds: 30}}\n")
    with writer(home / "writer.log") as running:
        shop = Shop(home, str(home), {"SYNALIGN_WRITER_URL": running.url})
        shop.make(*BEFORE_GENERATE, "generate")
        assert running.paid_twice() == 0
        yield shop


class Line:
    """A shop before *generate*, and the line to a writer of its own."""

    def __init__(self, shop: Shop, running: Writer, proxy: Proxy) -> None:
        self.shop, self.writer, self.proxy = shop, running, proxy

    def asked(self) -> int:
        """Requests for an answer that have come so far."""
        return sum(request.method == "POST" for request in self.proxy.seen)

    def until_asked(self, number: int) -> None:
        """Wait until so many requests have come."""
        deadline = time.monotonic() + 300
        while self.asked() < number:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@pytest.fixture
def at(calm: Shop, tmp_path: Path) -> Iterator[Line]:
    with writer(tmp_path / "writer.log", "--latency", "0.2") as running, line(running.port) as proxy:
        shop = calm.copy(tmp_path / "shop", SYNALIGN_WRITER_URL=f"{proxy.url}/v1")
        forget(shop, "generate")
        yield Line(shop, running, proxy)


def forget(shop: Shop, step: str) -> None:
    """Undo a step, and the journal with it."""
    folder = shop.home / "runs" / "small" / os.listdir(shop.home / "runs" / "small")[0]
    shutil.rmtree(folder / step)
    if step == "generate":
        shutil.rmtree(folder / "journal")
        for left in folder.glob("*.jsonl"):
            left.unlink()


def conclude(
    shop: Shop, calm: Shop, step: str, fault: str, outcome: str, at: Line | None = None, most: int = 0
) -> None:
    """Compare with the calm run, and put it on record."""
    same = shop.digests(step) == calm.digests(step)
    twice = at.writer.paid_twice() if at else 0
    faults.note(Seen(fault, step, outcome, same, f"{twice} of {most}" if at else ""))
    assert same
    assert twice <= most
    if at:
        paid = at.writer.tally()["paid"]
        # Ten batches, two requests each: nothing lost, nothing asked for that was not wanted.
        assert len(paid) == 20 and shop.manifest("generate")["metrics"]["outcomes"] == {"ok": 20}


def test_an_endpoint_that_is_away_is_waited_for(at: Line, calm: Shop) -> None:
    back: list[threading.Thread] = []

    def leave(request: Request) -> Fault:
        if request.number == 6:
            back.append(at.proxy.down_for(AWAY_SECONDS))
        return NONE

    at.proxy.weather = leave
    started = time.monotonic()
    code, said = at.shop.run("generate")
    assert code == 0, said
    assert time.monotonic() - started > AWAY_SECONDS
    conclude(
        at.shop, calm, "generate", f"model endpoint away for {AWAY_SECONDS:.0f} s", "waits, goes on", at, CONCURRENCY
    )


def test_a_gateway_without_a_model_behind_it_is_waited_for(at: Line, calm: Shop) -> None:
    at.proxy.weather = lambda request: Fault(status=503) if 3 <= request.number <= 30 else NONE
    code, said = at.shop.run("generate")
    assert code == 0, said
    conclude(at.shop, calm, "generate", "28 answers 503 of the gateway", "waits, goes on", at)


def test_answers_that_are_lost_are_asked_for_again_and_only_those_are_paid_twice(at: Line, calm: Shop) -> None:
    lost = {4: "after", 9: "middle", 15: "after"}
    at.proxy.weather = lambda request: Fault(cut=lost.get(request.number, ""))
    code, said = at.shop.run("generate")
    assert code == 0, said
    conclude(at.shop, calm, "generate", "3 answers lost on the way", "asked again", at, len(lost))


def test_a_job_killed_in_the_middle_pays_again_only_for_what_was_in_flight(at: Line, calm: Shop) -> None:
    job = at.shop.begin("generate")
    at.until_asked(7)
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    code, said = at.shop.run("generate")
    assert code == 0, said
    conclude(at.shop, calm, "generate", "killed (SIGKILL)", "run again", at, CONCURRENCY)


def test_two_jobs_for_one_interval_do_the_work_once(at: Line, calm: Shop) -> None:
    jobs = [at.shop.begin("generate") for _ in range(2)]
    said = [job.communicate(timeout=600) for job in jobs]
    codes = sorted(job.returncode for job in jobs)
    assert codes == [0, 5], said
    code, again = at.shop.run("generate")
    assert code == 0 and '"reused": true' in again
    conclude(at.shop, calm, "generate", "two jobs for one interval", "one works, one is told (exit 5), then reuses", at)


def test_a_disk_that_is_full_is_told_and_once_emptied_the_step_goes_on(calm: Shop, tmp_path: Path) -> None:
    with (
        faults.small_disk(tmp_path / "disk", 64) as disk,
        writer(tmp_path / "writer.log", "--latency", "0.1") as running,
        line(running.port) as proxy,
    ):
        shop = calm.copy(disk / "shop", SYNALIGN_WRITER_URL=f"{proxy.url}/v1")
        forget(shop, "generate")
        at = Line(shop, running, proxy)
        filler = faults.fill(disk, 24 * 1024)
        code, said = shop.run("generate")
        assert code == 9, said
        assert "StorageError" in said and "No space left on device" in said
        assert "What to do" in said
        filler.unlink()
        code, said = shop.run("generate")
        assert code == 0, said
        outcome = "told (exit 9), run again after space is there"
        conclude(shop, calm, "generate", "disk full (tmpfs, real ENOSPC)", outcome, at, 2 * CONCURRENCY)


def test_a_disk_that_is_full_under_spark_leaves_no_half_step(calm: Shop, tmp_path: Path) -> None:
    with faults.small_disk(tmp_path / "disk", 64) as disk:
        shop = calm.copy(disk / "shop")
        forget(shop, "ingest")
        filler = faults.fill(disk, 16 * 1024)
        code, said = shop.run("ingest")
        assert code == 9, said[-3000:]
        assert "No space left on device" in said
        filler.unlink()
        shop.make("ingest")
        outcome = "told (exit 9), run again after space is there"
        conclude(shop, calm, "ingest", "disk full (tmpfs, real ENOSPC)", outcome)


@pytest.mark.parametrize("step", ["ingest", "generate"])
def test_a_clock_that_jumps_changes_nothing(step: str, at: Line, calm: Shop, tmp_path: Path) -> None:
    clock = faults.Clock(tmp_path / "clock")
    if step != "generate":
        forget(at.shop, step)
    job = at.shop.begin(step, **clock.environment)
    if step == "generate":
        at.until_asked(5)
        clock.jump(YEAR)
        at.until_asked(12)
    else:
        until_it_began(at.shop, step, job.poll)
        clock.jump(YEAR)
        time.sleep(5)
    clock.jump(-YEAR)
    _, said = job.communicate(timeout=600)
    assert job.returncode == 0, said
    assert at.shop.manifest(step)["seconds"] >= 0
    fault = "clock set a year ahead, then two years back"
    conclude(at.shop, calm, step, fault, "goes on", at if step == "generate" else None)


def until_it_began(shop: Shop, step: str, ended: Callable[[], int | None]) -> None:
    """Wait until an attempt has a folder."""
    runs = shop.home / "runs"
    deadline = time.monotonic() + 300
    while not list(runs.glob(f"small/*/{step}/*-*")):
        assert ended() is None and time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A line to object storage, which all processes of the test are given."""
    server = s3.server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    s3.make_bucket(server.port, "store")
    with line(server.port, xml=True) as proxy:
        for name, value in {
            "AWS_ENDPOINT_URL": proxy.url,
            "AWS_ACCESS_KEY_ID": "an-access-key",
            "AWS_SECRET_ACCESS_KEY": "a-secret-key",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)
        yield proxy
    server.shutdown()


def test_storage_that_is_slow_and_turns_requests_away_gives_the_same_bytes(
    storage: Proxy, calm: Shop, tmp_path: Path
) -> None:
    """Every third request is answered 503, every other one crosses slowly; then storage is away for a while."""
    with writer(tmp_path / "writer.log", "--latency", "0.2") as running, line(running.port) as proxy:
        local = calm.copy(tmp_path / "shop", SYNALIGN_WRITER_URL=f"{proxy.url}/v1")
        shutil.rmtree(local.home / "runs")
        shutil.rmtree(local.home / "embeddings")
        shop = local._replace(store="s3://store/production")
        storage.weather = lambda request: Fault(status=503) if request.number % 3 == 0 else Fault(seconds=0.1)
        shop.make(*BEFORE_GENERATE)
        told = f"{len(storage.seen)} requests, refused ones sent again"
        faults.note(
            Seen("storage slow, every 3rd request 503", "ingest, embed, sample", told,
                 shop.digests(*BEFORE_GENERATE) == calm.digests(*BEFORE_GENERATE))
        )  # fmt: skip
        assert shop.digests(*BEFORE_GENERATE) == calm.digests(*BEFORE_GENERATE)

        at = Line(shop, running, proxy)
        storage.weather = fair
        job = shop.begin("generate")
        at.until_asked(6)
        storage.down_for(AWAY_SECONDS).join()
        _, said = job.communicate(timeout=600)
        assert job.returncode in (0, 9), said
        codes = [job.returncode]
        while codes[-1]:
            codes.append(shop.run("generate")[0])
            assert len(codes) < 4
        outcome = "waits, goes on" if codes == [0] else f"told (exit 9), run again {len(codes) - 1} time(s)"
        conclude(shop, calm, "generate", f"storage away for {AWAY_SECONDS:.0f} s", outcome, at, 2 * CONCURRENCY)
