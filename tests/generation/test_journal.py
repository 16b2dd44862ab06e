"""The journal survives being cut anywhere, shares writes and places, and says so when it was damaged."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synalign.config import Configuration
from synalign.errors import RunError, StorageError
from synalign.generation.journal import FILE, Entry, Journal
from synalign.run import Interval, Run

LANGUAGES = "ünïcode \u2028 \x85 \x1c 日本語 עברית \ud800 \U0001f600 \x00"


def entry(number: int, answer: str = "{}") -> Entry:
    return Entry(f"{number:064d}", answer, "some-model", 10, 20, 0.5)


def add(journal: Journal, *entries: Entry) -> list[Entry]:
    """Add entries one after another."""

    async def work():
        return [await journal.add(each) for each in entries]

    return asyncio.run(work())


def add_at_once(journal: Journal, *entries: Entry) -> list[Entry | BaseException]:
    async def work():
        return await asyncio.gather(*(journal.add(each) for each in entries), return_exceptions=True)

    return asyncio.run(work())


def filled(folder, count=3) -> bytes:
    with Journal(folder) as journal:
        add(journal, *(entry(number, json.dumps({"text": f"{LANGUAGES} {number}"})) for number in range(count)))
    return (folder / FILE).read_bytes()


def files(folder):
    return sorted(path.name for path in folder.iterdir())


class Watched:
    """A store that tells what reaches it, and can be slow or full."""

    def __init__(self, store, seconds=0.0):
        self.store, self.seconds, self.groups, self.full = store, seconds, [], False
        self.threads = set()

    immediate = False

    def write(self, lines):
        self.threads.add(threading.get_ident())
        time.sleep(self.seconds)
        if self.full:
            raise OSError(28, "No space left on device")
        self.store.write(lines)
        self.groups.append(lines.count(b"\n"))

    def sync(self):
        self.store.sync()

    def close(self):
        self.store.close()


def watched(journal, seconds=0.0) -> Watched:
    journal._log._lines = Watched(journal._log._lines, seconds)
    return journal._log._lines


def test_what_is_added_is_found_by_another_process(tmp_path):
    filled(tmp_path / "new" / "folder")
    with Journal(str(tmp_path / "new" / "folder")) as journal:
        assert len(journal) == 3
        assert journal.get(entry(1).key) == entry(1, json.dumps({"text": f"{LANGUAGES} 1"}))
        assert journal.get("unknown") is None


@given(st.text(st.characters(), max_size=40), st.text(max_size=9), st.integers(0, 2**40), st.floats(0, 1e6))
def test_any_text_comes_back_as_it_was(tmp_path_factory, answer, model, tokens, seconds):
    folder = tmp_path_factory.mktemp("journal")
    kept = Entry("k", answer + "\ud83d\udc80", model, tokens, 0, seconds)
    with Journal(folder) as journal:
        add(journal, kept)
    with Journal(folder) as journal:
        assert journal.get("k") == kept


def test_cut_at_any_byte_it_keeps_the_whole_lines_and_goes_on(tmp_path):
    content = filled(tmp_path)
    first = content.index(b"\n") + 1
    for cut in [0, 1, *range(first - 3, first + 3), len(content) - 1, len(content)]:
        (tmp_path / FILE).write_bytes(content[:cut])
        with Journal(tmp_path) as journal:
            assert len(journal) == content[:cut].count(b"\n")
            add(journal, entry(7))
        with Journal(tmp_path) as journal:
            assert journal.get(entry(7).key) == entry(7)
        assert files(tmp_path) == [FILE]


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0], lines[1][:20], lines[2]],
        lambda lines: [lines[0], lines[1].replace(b"some-model", b"another"), lines[2]],
        lambda lines: [lines[0], b"", lines[2]],
        lambda lines: [lines[0], b"[1]", lines[2]],
        lambda lines: [lines[0], b"[" * 100_000, lines[2]],
        lambda lines: [lines[0], lines[1] + b" " + lines[2]],
        lambda lines: [lines[0], lines[1], b"\x00" * 9],
        lambda lines: [lines[0], lines[1], b"\xff\xfe"],
    ],
)
def test_a_damaged_line_is_named(tmp_path, damage):
    lines = filled(tmp_path).splitlines()
    (tmp_path / FILE).write_bytes(b"".join(line + b"\n" for line in damage(lines)))
    with pytest.raises(RunError, match=r"responses.jsonl, line [23] is damaged"):
        Journal(tmp_path)
    # And nothing is held: the line can be deleted and the journal opened again.
    (tmp_path / FILE).write_bytes(lines[0] + b"\n")
    with Journal(tmp_path) as journal:
        assert len(journal) == 1
    assert files(tmp_path) == [FILE]


def test_the_first_answer_to_a_request_stays(tmp_path):
    first, second = entry(1, "first"), entry(1, "second")
    with Journal(tmp_path) as journal:
        assert add(journal, first, second) == [first, first]
        assert add_at_once(journal, second, entry(2), entry(2, "twin")) == [first, entry(2), entry(2)]
    content = (tmp_path / FILE).read_bytes()
    assert content.count(b"\n") == 2
    (tmp_path / FILE).write_bytes(content + content)
    with Journal(tmp_path) as journal:
        assert len(journal) == 2 and journal.get(first.key) == first


def test_a_twin_that_comes_while_the_first_is_written_gets_the_first(tmp_path):
    async def work(journal):
        early = asyncio.ensure_future(journal.add(entry(1, "first")))
        await asyncio.sleep(0.05)
        return [await journal.add(entry(1, "second")), await early]

    with Journal(tmp_path) as journal:
        store = watched(journal, seconds=0.15)
        assert asyncio.run(work(journal)) == [entry(1, "first")] * 2
        assert store.groups == [1]


def test_answers_that_come_while_one_is_written_share_the_next_write(tmp_path):
    with Journal(tmp_path) as journal:
        store = watched(journal, seconds=0.05)
        added = add_at_once(journal, *map(entry, range(200)))
        assert added == [entry(number) for number in range(200)]
        # Some are taken by the write that is just beginning, the rest by the one after.
        assert sum(store.groups) == 200 and len(store.groups) <= 3
    with Journal(tmp_path) as journal:
        assert len(journal) == 200


def test_it_is_on_disk_when_add_returns(tmp_path):
    async def work(journal):
        for number in range(5):
            await journal.add(entry(number))
            assert (tmp_path / FILE).read_bytes().count(b"\n") == number + 1

    with Journal(tmp_path) as journal:
        asyncio.run(work(journal))


def test_every_write_is_synced_before_it_counts(tmp_path, monkeypatch):
    sizes, real = [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (sizes.append(os.fstat(descriptor).st_size), real(descriptor)))
    with Journal(tmp_path) as journal:
        sizes.clear()
        add(journal, *map(entry, range(4)))
    content = (tmp_path / FILE).read_bytes()
    ends = [place + 1 for place, byte in enumerate(content) if byte == ord("\n")]
    assert sizes == ends


def test_a_slow_write_does_not_hold_up_the_event_loop(tmp_path):
    async def work(journal):
        slow = asyncio.ensure_future(journal.add(entry(1)))
        longest, last = 0.0, time.monotonic()
        while not slow.done():
            await asyncio.sleep(0.005)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return longest

    with Journal(tmp_path) as journal:
        store = watched(journal, seconds=1.0)
        assert asyncio.run(work(journal)) < 0.5
        assert threading.get_ident() not in store.threads and len(store.threads) == 1


def test_a_request_that_is_cancelled_keeps_its_answer(tmp_path):
    async def work(journal):
        first = asyncio.ensure_future(journal.add(entry(1)))
        second = asyncio.ensure_future(journal.add(entry(2)))
        await asyncio.sleep(0.02)
        first.cancel()
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)

    with Journal(tmp_path) as journal:
        watched(journal, seconds=0.1)
        asyncio.run(work(journal))
    with Journal(tmp_path) as journal:
        assert len(journal) == 2


def test_a_full_disk_is_told_to_everyone_who_shared_the_write_and_can_be_mended(tmp_path):
    with Journal(tmp_path) as journal:
        store = watched(journal)
        store.full = True
        for ended in add_at_once(journal, *map(entry, range(5))):
            assert isinstance(ended, StorageError) and "cannot be written" in str(ended)
        assert len(journal) == 0 and journal.get(entry(1).key) is None
        store.full = False
        assert add(journal, entry(9)) == [entry(9)]
        # Those that failed were paid for: they are kept as soon as that is possible.
        assert len(journal) == 6
    with Journal(tmp_path) as journal:
        assert len(journal) == 6


def test_a_line_written_in_part_leaves_no_half_line(tmp_path, monkeypatch):
    real = os.write

    def full(descriptor, lines):
        if len(lines) < 20:
            raise OSError(28, "No space left on device")
        return real(descriptor, lines[: len(lines) // 2])

    with Journal(tmp_path) as journal:
        add(journal, entry(1))
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="cannot be written"):
            add(journal, entry(2))
        assert journal.get(entry(2).key) is None
        assert not (tmp_path / FILE).read_bytes().endswith(b"\n")
        monkeypatch.setattr(os, "write", lambda descriptor, lines: real(descriptor, lines[:7]))
        add(journal, entry(3))
    assert (tmp_path / FILE).read_bytes().count(b"\n") == 3
    with Journal(tmp_path) as journal:
        assert len(journal) == 3


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be opened"):
        Journal(tmp_path / "file")
    (tmp_path / FILE).mkdir()
    with pytest.raises(StorageError, match="cannot be opened"):
        Journal(tmp_path)


def test_two_that_are_open_at_once_write_to_files_of_their_own(tmp_path):
    with Journal(tmp_path) as first, Journal(tmp_path) as second:
        add(first, entry(1), entry(2))
        add(second, entry(2, "another"), entry(3))
        assert second.get(entry(1).key) is None
        # Half a line of a writer that is at work is nobody else's to cut.
        with open(tmp_path / FILE, "ab") as file:
            file.write(b'{"half')
        with Journal(tmp_path) as third:
            assert len(third) == 3
            add(third, entry(4))
        assert (tmp_path / FILE).read_bytes().endswith(b'{"half')
    assert files(tmp_path) == ["responses-2.jsonl", "responses-3.jsonl", FILE]
    with Journal(tmp_path) as journal:
        assert len(journal) == 4
        add(journal, entry(5))
    # Files that are free are used again, so their number stays that of writers at once.
    assert files(tmp_path) == ["responses-2.jsonl", "responses-3.jsonl", FILE]
    with Journal(tmp_path) as journal:
        assert len(journal) == 5


@pytest.mark.parametrize(
    ("journal", "place"),
    [
        (None, "{home}/runs/shop/20260101T000000Z-20260102T000000Z/journal"),
        ("journals", "{home}/journals/shop"),
        ("/some/where/", "/some/where/shop"),
        ("s3://bucket", "s3://bucket/shop"),
        ("s3://bucket/a/prefix/", "s3://bucket/a/prefix/shop"),
        # Not a place: told so when it is opened, not taken for a folder or for a bucket of the retriever's name.
        ("s3://", "s3:///shop"),
    ],
)
def test_a_run_knows_where_its_journal_is(tmp_path, monkeypatch, journal, place):
    monkeypatch.setenv("SYNALIGN_HOME", str(tmp_path))
    content = {"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
    configuration = Configuration.model_validate({**content, "runtime": {"journal": journal}})
    run = Run(configuration, Interval.parse("2026-01-01", "2026-01-02"))
    assert str(run.journal) == place.format(home=tmp_path)


def _write_many(folder, start):
    with Journal(folder) as journal:
        add_at_once(journal, *map(entry, range(start, start + 50)))
        add(journal, *map(entry, range(start + 50, start + 150)))


def test_processes_at_once_lose_nothing_and_damage_nothing(tmp_path):
    # Overlapping halves: two writers keep the same requests.
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(tmp_path, 75 * number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
        assert writer.exitcode == 0
    with Journal(tmp_path) as journal:
        assert len(journal) == 75 * 3 + 150
        assert all(journal.get(entry(number).key) == entry(number) for number in range(375))


KILLED = """
import asyncio, sys
from synalign.generation.journal import Entry, Journal
async def work():
    with Journal(sys.argv[1]) as journal:
        for number in range(10**6):
            await asyncio.gather(*(
                journal.add(Entry(f"{number:06d}-{part}", "x" * 3000, "m", 1, 1, 0.1)) for part in range(8)
            ))
            print(number, flush=True)
asyncio.run(work())
"""


def test_killed_at_work_it_holds_all_that_was_told_to_be_kept(tmp_path):
    for delay in (0.0, 0.003, 0.011, 0.05):
        command = [sys.executable, "-c", KILLED, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            told = [process.stdout.readline()]
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            told += process.stdout.readlines()
        last = max(int(line) for line in told if line.endswith("\n"))
        with Journal(tmp_path) as journal:
            for number in range(last + 1):
                assert all(journal.get(f"{number:06d}-{part}") for part in range(8))
    assert files(tmp_path) == [FILE]


def test_an_answer_of_another_journal_is_copied_when_it_is_asked_for(tmp_path):
    other, mine = tmp_path / "other", tmp_path / "mine"
    filled(other)
    with open(other / FILE, "ab") as damaged:
        damaged.write(b'{"key": "torn\n[]\n{}\n')
    before = (other / FILE).read_bytes()

    async def look(journal):
        return [await journal.find(entry(number).key) for number in (1, 1, 7)]

    with Journal(mine, [other, tmp_path / "none"]) as journal:
        assert journal.get(entry(1).key) is None and len(journal) == 0
        first, again, missing = asyncio.run(look(journal))
        assert first == again == journal.get(entry(1).key) and first.answer.endswith('1"}')
        assert missing is None
        assert len(journal) == 1
    with Journal(mine) as journal:
        assert len(journal) == 1
    assert (other / FILE).read_bytes() == before and not (tmp_path / "none").exists()
