"""The journal survives being cut anywhere, and says so when it was damaged."""

from __future__ import annotations

import pytest

from synalign.errors import RunError
from synalign.generation.journal import FILE, Entry, Journal


def entry(number: int, answer: str = "{}") -> Entry:
    return Entry(f"{number:064d}", answer, "some-model", 10, 20, 0.5)


def filled(folder, count=3) -> bytes:
    with Journal(folder) as journal:
        for number in range(count):
            journal.add(entry(number, f'{{"text": "ünïcode \u2028 {number}"}}'))
    return (folder / FILE).read_bytes()


def test_what_is_added_is_found_by_another_process(tmp_path):
    filled(tmp_path / "new" / "folder")
    with Journal(tmp_path / "new" / "folder") as journal:
        assert len(journal) == 3
        assert journal.get(entry(1).key) == entry(1, '{"text": "ünïcode \u2028 1"}')
        assert journal.get("unknown") is None


def test_cut_at_any_byte_it_keeps_the_whole_lines_and_goes_on(tmp_path):
    content = filled(tmp_path)
    first = content.index(b"\n") + 1
    for cut in [*range(first - 3, first + 3), len(content) - 1, len(content)]:
        (tmp_path / FILE).write_bytes(content[:cut])
        with Journal(tmp_path) as journal:
            assert len(journal) == content[:cut].count(b"\n")
            journal.add(entry(7))
        with Journal(tmp_path) as journal:
            assert journal.get(entry(7).key) == entry(7)


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: [lines[0], lines[1][:20], lines[2]],
        lambda lines: [lines[0], lines[1].replace(b"some-model", b"another"), lines[2]],
        lambda lines: [lines[0], b"", lines[2]],
        lambda lines: [lines[0], b"[1]", lines[2]],
        lambda lines: [lines[0], lines[1], b"\x00" * 9],
    ],
)
def test_a_damaged_line_is_named(tmp_path, damage):
    lines = filled(tmp_path).splitlines()
    (tmp_path / FILE).write_bytes(b"".join(line + b"\n" for line in damage(lines)))
    with pytest.raises(RunError, match=r"responses.jsonl, line [23] is damaged"):
        Journal(tmp_path)


def test_the_first_answer_to_a_request_stays(tmp_path):
    with Journal(tmp_path) as journal:
        assert journal.add(entry(1, "first")) == journal.add(entry(1, "second")) == entry(1, "first")
    line = (tmp_path / FILE).read_bytes()
    assert line.count(b"\n") == 1
    (tmp_path / FILE).write_bytes(line + line)
    with Journal(tmp_path) as journal:
        assert len(journal) == 1


def test_a_line_written_in_part_leaves_no_half_line(tmp_path, monkeypatch):
    with Journal(tmp_path) as journal:
        journal.add(entry(1))

        class Full:
            def __init__(self, file):
                self.file = file

            def write(self, line):
                return self.file.write(line[: len(line) // 2])

            def __getattr__(self, name):
                return getattr(self.file, name)

        monkeypatch.setattr(journal, "_file", Full(journal._file))
        with pytest.raises(RunError, match="cannot be written"):
            journal.add(entry(2))
        assert journal.get(entry(2).key) is None
    with Journal(tmp_path) as journal:
        assert len(journal) == 1
        journal.add(entry(2))
    with Journal(tmp_path) as journal:
        assert len(journal) == 2


def test_a_folder_that_cannot_be_made_is_an_error_of_ours(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be opened"):
        Journal(tmp_path / "file")
