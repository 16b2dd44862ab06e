"""Lines in object storage: what was synced is there, in order, once, whoever was killed when."""

from __future__ import annotations

import threading

import pytest

from synalign import config
from synalign.errors import StorageError
from synalign.generation.budget import Budget
from synalign.generation.provider_record import Record, Sent
from synalign.storage import Place, append_log, line_objects
from synalign.storage.append_log import AppendLog
from tests.storage.conftest import CLOUDS, away


@pytest.fixture(params=CLOUDS[:3])
def bucket(request: pytest.FixtureRequest) -> Place:
    """A place in the storage of each cloud."""
    found: Place = request.getfixturevalue(request.param)
    return found


def opened(place: Place) -> tuple[AppendLog, list[bytes]]:
    """A log of plain lines, and those that were there."""
    found: list[bytes] = []
    log = AppendLog(place, found.append, remedy="delete it", encode=lambda line: line, decode=lambda line: line)
    return log, found


def kept(place: Place) -> list[bytes]:
    log, found = opened(place)
    log.close()
    return found


def test_lines_come_back_in_their_order(bucket: Place) -> None:
    place = bucket / "spending.jsonl"
    for number in range(3):
        lines, found = opened(place)
        assert len(found) == 2 * number
        lines.append(f"{number} größe".encode())
        lines.sync()
        lines.append(f"{number} b".encode())
        lines.close()
    assert kept(place) == [f"{number} {text}".encode() for number in range(3) for text in ("größe", "b")]


def test_what_is_not_synced_is_written_within_seconds(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_log, "WRITTEN_AFTER", 0.0)
    lines, _ = opened(bucket / "x.jsonl")
    lines.append(b"one")
    assert lines._later is not None
    lines._later.result(10)
    assert kept(bucket / "x.jsonl") == [b"one"]


def test_many_threads_lose_nothing(bucket: Place) -> None:
    lines, _ = opened(bucket / "x.jsonl")

    def add(name: int) -> None:
        for number in range(20):
            lines.append(f"{name} {number}".encode())
            lines.sync()

    threads = [threading.Thread(target=add, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines.close()
    found = kept(bucket / "x.jsonl")
    assert len(found) == 80
    for name in range(4):
        assert [line for line in found if line.startswith(b"%d " % name)] == [
            f"{name} {number}".encode() for number in range(20)
        ]


def test_storage_that_fails_for_a_while_loses_nothing(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, _ = opened(bucket / "x.jsonl")
    lines.append(b"one")
    with monkeypatch.context() as patch:
        away(patch)
        with pytest.raises(StorageError, match="cannot be used"):
            lines.sync()
    lines.append(b"two")
    lines.close()
    assert kept(bucket / "x.jsonl") == [b"one", b"two"]


def test_one_that_lost_its_turn_cannot_add(bucket: Place) -> None:
    (first, _), (second, _) = opened(bucket / "x.jsonl"), opened(bucket / "x.jsonl")
    second.append(b"second")
    second.sync()
    first.append(b"first")
    with pytest.raises(StorageError, match="another process took the run over"):
        first.sync()
    second.close()
    assert kept(bucket / "x.jsonl") == [b"second"]


def test_many_objects_are_folded_and_a_kill_in_between_repeats_no_line(
    bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_objects, "FOLDED_FROM", 5)
    place = bucket / "x.jsonl"
    lines, _ = opened(place)
    for number in range(6):
        lines.append(str(number).encode())
        lines.sync()
    lines.close()
    expected = [str(number).encode() for number in range(6)]
    with monkeypatch.context() as killed:
        killed.setattr(Place, "unlink", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            opened(place)
    assert len(place.files()) == 7
    assert kept(place) == expected
    assert [file.name for file in place.files()] == ["00000007.whole.jsonl"]
    lines, _ = opened(place)
    lines.append(b"6")
    lines.close()
    assert kept(place) == [*expected, b"6"]


async def _spend(place: Place) -> None:
    budget = Budget(config.Budget(max_tokens=1000), record=place)
    first = await budget.reserve(100, 50)
    await budget.reserve(200, 100)
    assert first is not None
    budget.settle(first, 10, 5)
    budget.close()


def test_a_budget_and_the_record_of_batches_remember_in_object_storage(bucket: Place) -> None:
    import asyncio

    asyncio.run(_spend(bucket / "spending.jsonl"))
    later = Budget(config.Budget(max_tokens=1000), record=bucket / "spending.jsonl")
    # Ten and five were billed; of the other request nobody knows, so it counts in full.
    assert later.tokens == 315
    later.close()
    record = Record(bucket / "provider-batches.jsonl")
    record.intend("d", "s", {"k": Sent("reason", 1, 2)})
    record.created("d", "batch-1")
    # No close: a kill.
    again = Record(bucket / "provider-batches.jsonl")
    assert [(one.digest, one.batch_id) for one in again.open()] == [("d", "batch-1")]
    again.close()
