"""Lines in files: whole ones are read, a torn one is cut off, and no two processes write to one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from synalign.storage.line_files import LineFile, SharedFiles


def read(lines: LineFile) -> dict[str, bytes]:
    return {Path(name).name: content for name, content in lines.open()}


@pytest.mark.parametrize("torn", [b"", b"th", b"three"])
def test_a_torn_line_is_skipped_and_cut_off_by_the_next(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "folder" / "log.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"one\ntwo\n" + torn)
    lines = LineFile(path)
    assert read(lines) == {"log.jsonl": b"one\ntwo\n"}
    lines.write(b"3\n")
    lines.sync()
    lines.close()
    assert path.read_bytes() == b"one\ntwo\n3\n"


def test_a_disk_that_takes_a_part_of_a_line_joins_no_line_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines, real = LineFile(tmp_path / "log.jsonl"), os.write
    read(lines)
    lines.write(b"one\n")

    def full(descriptor: int, content: bytes) -> int:
        if len(content) < 4:
            raise OSError(28, "No space left on device")
        return real(descriptor, content[:2])

    with monkeypatch.context() as disk:
        disk.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            lines.write(b"two\n")
    assert (tmp_path / "log.jsonl").read_bytes() == b"one\ntw"
    lines.write(b"three\n")
    lines.close()
    assert (tmp_path / "log.jsonl").read_bytes() == b"one\nthree\n"


def test_lines_whose_sync_failed_are_written_again_where_the_log_hands_them_in_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = SharedFiles(tmp_path, "part")
    read(lines)
    lines.write(b"one\n")
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", lambda descriptor: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(OSError, match="Input/output"):
            lines.sync()
    lines.write(b"one\n")
    lines.sync()
    lines.close()
    assert (tmp_path / "part.jsonl").read_bytes() == b"one\n"


def test_only_what_is_new_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines, synced, real = LineFile(tmp_path / "log.jsonl"), [], os.fsync
    read(lines)
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
    lines.sync()
    lines.write(b"one\n")
    lines.sync()
    lines.sync()
    lines.close()
    assert len(synced) == 1


def test_each_takes_the_first_file_that_is_free(tmp_path: Path) -> None:
    first, second = SharedFiles(tmp_path, "part"), SharedFiles(tmp_path, "part")
    assert read(first) == {"part.jsonl": b""}
    assert sorted(read(second)) == ["part-2.jsonl", "part.jsonl"]
    first.write(b"one\n")
    second.write(b"two\n")
    first.close()
    third = SharedFiles(tmp_path, "part")
    assert read(third) == {"part.jsonl": b"one\n", "part-2.jsonl": b"two\n"}
    third.write(b"three\n")
    third.close()
    second.close()
    assert (tmp_path / "part.jsonl").read_bytes() == b"one\nthree\n"
    # Closed again: nothing happens.
    second.close()
