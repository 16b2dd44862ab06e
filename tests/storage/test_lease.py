"""A lease: one holder, whoever dies or stops, and never a comparison of two machines' clocks."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from synalign.storage import Place, lease
from synalign.storage.lease import Lease
from synalign.storage.lock import held
from synalign.storage.taken import TakenError
from tests.storage.conftest import CLOUDS, away

HOLDER = """
import sys, time
from synalign.storage import Place, lease
lease.RENEWED_AFTER = {renewed}
with lease.Lease(Place(sys.argv[1]), "the other") as held:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        held.check()
        print("still", flush=True)
    except lease.TakenError:
        print("lost", flush=True)
"""


@pytest.fixture(params=CLOUDS[:3])
def bucket(request: pytest.FixtureRequest) -> Place:
    """A place in the storage of each cloud."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"RENEWED_AFTER": 0.2, "LOST_AFTER": 5.0, "LOOKED_AFTER": 0.1}.items():
        monkeypatch.setattr(lease, name, seconds)


def holder(place: Place, renewed: float) -> subprocess.Popen[str]:
    """Another process that holds the lease until it is told to look whether it still does."""
    command = [sys.executable, "-c", HOLDER.format(renewed=renewed), str(place)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


@pytest.fixture
def other(bucket: Place) -> Iterator[subprocess.Popen[str]]:
    process = holder(bucket / ".lock", 0.2)
    yield process
    process.kill()
    process.communicate()


def test_a_living_holder_is_found_out_and_named_long_before_its_time_is_over(
    bucket: Place, other: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LOST_AFTER", 60.0)
    began = time.monotonic()
    with pytest.raises(TakenError, match="the other"):
        Lease(bucket / ".lock", "this one")
    assert time.monotonic() - began < 20
    assert other.communicate("\n")[0] == "still\n"


@pytest.mark.slow
def test_a_killed_holder_loses_it_after_its_time_and_not_before(bucket: Place, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    began = time.monotonic()
    with Lease(bucket / ".lock", "this one") as mine:
        assert time.monotonic() - began >= lease.LOST_AFTER
        mine.check()


@pytest.mark.slow
def test_a_holder_that_was_stopped_for_too_long_learns_that_it_lost(bucket: Place) -> None:
    stopped = holder(bucket / ".lock", 3600.0)
    with Lease(bucket / ".lock", "this one") as mine:
        assert stopped.communicate("\n")[0] == "lost\n"
        mine.check()
    # What the one that lost gave back was not its own any more.
    with Lease(bucket / ".lock", "a third"):
        pass


def test_it_is_free_at_once_when_it_is_given_back(bucket: Place) -> None:
    for _ in range(2):
        began = time.monotonic()
        with held(bucket / ".lock") as hold:
            hold.check()
        assert time.monotonic() - began < lease.LOST_AFTER
    assert json.loads((bucket / ".lock").read_bytes())["free"] is True


@pytest.mark.slow
def test_of_many_that_want_it_at_once_one_has_it(bucket: Place) -> None:
    """Also of many that wait for one that died to lose it."""
    for _ in range(2):
        inside, most, ready = [], [], threading.Barrier(6)

        def work(
            number: int, inside: list[int] = inside, most: list[int] = most, ready: threading.Barrier = ready
        ) -> None:
            ready.wait()
            try:
                with Lease(bucket / ".lock", f"number {number}"):
                    inside.append(number)
                    most.append(len(inside))
                    time.sleep(1.0)
                    inside.remove(number)
            except TakenError:
                pass

        threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert most and set(most) == {1}
        dead = holder(bucket / ".lock", 0.2)
        dead.kill()
        dead.communicate()


def test_storage_that_does_not_answer_is_no_reason_to_believe_that_it_is_held(
    bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Lease(bucket / ".lock", "this one") as mine:
        with monkeypatch.context() as patch:
            away(patch)
            with pytest.raises(TakenError, match="storage does not answer"):
                mine.check()
        mine.check()


@pytest.mark.slow
def test_a_lock_that_cannot_be_read_is_taken_when_its_time_is_over(bucket: Place) -> None:
    (bucket / ".lock").write_bytes(b"{")
    with Lease(bucket / ".lock", "this one") as mine:
        mine.check()


@pytest.mark.parametrize("ends", ["check", "exit"])
def test_a_change_whose_answer_never_came_is_no_loss(bucket: Place, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    monkeypatch.setattr(lease, "RENEWED_AFTER", 3600.0)
    real = Place.replace

    def unanswered(place: Place, content: bytes, tag: str) -> str:
        real(place, content, tag)
        raise OSError("no answer")

    with Lease(bucket / ".lock", "this one") as mine:
        with monkeypatch.context() as patch:
            patch.setattr(Place, "replace", unanswered)
            with pytest.raises(TakenError, match="no answer"):
                mine.check()
            assert not mine.lost()
        if ends == "check":
            mine.check()
            mine.check()
    assert json.loads((bucket / ".lock").read_bytes())["free"] is True


def test_a_change_without_an_answer_that_another_followed_is_a_loss(
    bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEWED_AFTER", 3600.0)
    with Lease(bucket / ".lock", "this one") as mine:
        (bucket / ".lock").write_bytes(b'{"who": "the other", "holder": "another", "beat": 3, "free": false}')
        with pytest.raises(TakenError):
            mine.check()
        assert mine.lost()
    # Nor is it given back in the other's name.
    assert json.loads((bucket / ".lock").read_bytes())["holder"] == "another"
