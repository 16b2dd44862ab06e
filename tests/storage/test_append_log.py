"""A log gives back every line that was synced, in order and once, from a file and from object storage alike."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synalign.errors import RunError, StorageError
from synalign.storage import Place
from synalign.storage.append_log import AppendLog, checked, with_check

ADVICE = "delete that line"


def opened(place: Place, **options: Any) -> tuple[AppendLog, list[Any]]:
    """A log, and the contents of the lines that were there."""
    found: list[Any] = []
    return AppendLog(place, found.append, remedy=ADVICE, **options), found


def kept(place: Place, **options: Any) -> list[Any]:
    log, found = opened(place, **options)
    log.close()
    return found


@pytest.fixture(params=[None, "part"], ids=["of one process", "shared"])
def shared(request: pytest.FixtureRequest) -> str | None:
    kind: str | None = request.param
    return kind


def test_lines_come_back_after_a_kill_in_their_order(place: Place, shared: str | None) -> None:
    for number in range(3):
        log, found = opened(place, shared=shared)
        # A shared log in a bucket has the lines of each process together, in no order between processes.
        assert sorted(found) == [[n, letter] for n in range(number) for letter in "ab"]
        log.append([number, "a"])
        log.append([number, "b"])
        log.sync()
        # No close: a kill, which frees the file.
        log._lines.close()


def test_what_follows_a_write_is_called_once_and_after_it(place: Place, shared: str | None) -> None:
    log, _ = opened(place, shared=shared)
    seen: list[list[Any]] = []
    log.append("x", then=lambda: seen.append(kept(place, shared=shared)))
    log.sync()
    log.sync()
    log.close()
    assert seen == [["x"]]


def test_calls_that_come_together_share_a_write(
    place: Place, shared: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = opened(place, shared=shared)
    synced: list[int] = []
    real, objects = os.fsync, len(list(place.tree())) if place.local is None else 0
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))

    async def add(number: int) -> None:
        log.append(number)
        await log.synced()

    async def work() -> None:
        await asyncio.gather(*map(add, range(50)))

    asyncio.run(work())
    writes = len(synced) if place.local is not None else len(list(place.tree())) - objects
    log.close()
    assert 1 <= writes <= 2
    assert sorted(kept(place, shared=shared)) == list(range(50))


def test_a_damaged_line_is_named_with_its_remedy_and_nothing_stays_open(place: Place, shared: str | None) -> None:
    log, _ = opened(place, shared=shared)
    log.append({"a": 1})
    log.append({"b": 2})
    log.close()
    (part,) = [file for file, _ in ([(place, 0)] if place.is_file() else place.tree())]
    part.write_bytes(part.read_bytes().replace(b'{"b":2}', b'{"b"'))
    with pytest.raises(RunError, match=r"line 2 is damaged") as caught:
        opened(place, shared=shared)
    assert ADVICE in str(caught.value) and str(part if shared else place) in str(caught.value)
    part.write_bytes(b'{"a":1}\n')
    assert kept(place, shared=shared) == [{"a": 1}]


def test_what_the_reader_does_not_know_is_damage(place: Place) -> None:
    log, _ = opened(place)
    log.append({"event": "made up"})
    log.close()

    def refuse(content: dict[str, Any]) -> None:
        raise KeyError(content["event"])

    with pytest.raises(RunError, match="line 1 is damaged"):
        AppendLog(place, refuse, remedy=ADVICE)


def test_lines_of_a_full_storage_are_written_by_the_next_sync(
    place: Place, shared: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, _ = opened(place, shared=shared)
    called: list[str] = []
    with monkeypatch.context() as full:
        full.setattr(log._lines, "write", _no_space)
        with pytest.raises(StorageError, match="No space left"):
            log.append("a", then=lambda: called.append("a"))
            log.sync()
    assert called == []
    log.append("b")
    log.close()
    # A file of one process tells the caller of `append` at once, who decides whether to append the line again.
    expected = ["b"] if place.local is not None and shared is None else ["a", "b"]
    assert kept(place, shared=shared) == expected and called == expected[:-1]


def _no_space(lines: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_a_place_that_cannot_be_opened_is_told_in_the_callers_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be used"):
        opened(Place(tmp_path / "file" / "log.jsonl"))
    with pytest.raises(StorageError, match=r"^opened"):
        opened(Place(tmp_path / "file"), shared="part", unusable=lambda place, doing, error: StorageError(doing))


@given(st.dictionaries(st.text(max_size=5).filter(lambda name: name != "check"), st.text(st.characters(), max_size=20)))
def test_a_check_sum_holds_for_any_text(content: dict[str, str]) -> None:
    line = with_check(content)
    # Told apart by hand: the canonical JSON without the check sum, and its SHA-256.
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    assert f'"check":"{digest}"'.encode() in line and b"\n" not in line
    assert checked(line) == content


@pytest.mark.parametrize("line", [b'{"a":1,"check":"0"}', b'{"a":1}', b"[1]", b"", b"\xff", b"[" * 100_000])
def test_a_line_that_is_not_as_it_was_written_is_refused(line: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError, RecursionError)):
        checked(line)


def test_a_line_of_any_language_is_one_line(place: Place) -> None:
    text = "ünïcode \u2028 \x85 \x1c 日本語 \x00"
    log, _ = opened(place, encode=with_check, decode=checked)
    log.append({"text": text})
    log.close()
    assert kept(place, encode=with_check, decode=checked) == [{"text": text}]


def test_without_a_sync_a_line_in_a_file_survives_a_kill(tmp_path: Path) -> None:
    log, _ = opened(Place(tmp_path / "log.jsonl"))
    child = os.fork()
    if child == 0:
        log.append("last words")
        os._exit(9)
    os.waitpid(child, 0)
    assert (tmp_path / "log.jsonl").read_bytes() == b'"last words"\n'
    log._lines.close()
