"""Lines of text files in ranges of bytes: each line once, and a line without end cut."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from synalign.querylog import text_lines
from synalign.querylog.dialect import Dialect
from synalign.querylog.text_frame import Part, portions


def test_a_file_cut_anywhere_gives_every_line_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(7)
    lines = ["x" * draw.choice([0, 1, 5, 60, 300]) + str(number) for number in range(400)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines) + draw.choice(["", "\n"]))
    dialect = Dialect(str(path), "jsonl", "none", "utf-8")
    for block in (1, 7, 64, 1000):
        monkeypatch.setattr(text_lines, "BLOCK_BYTES", block)
        for size in (1, 13, 100, 999, 10**6):
            if size == 1 and block != 64:
                continue
            ends = range(0, path.stat().st_size, size)
            found = [
                line
                for start in ends
                for block_lines, _ in text_lines.blocks(dialect, start, min(start + size, path.stat().st_size))
                for line in block_lines
            ]
            assert found == lines, (block, size)


def test_a_line_without_end_is_cut_and_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 100)
    monkeypatch.setattr(text_lines, "LONGEST_LINE", 1000)
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": "' + "x" * 50_000 + '"}\n{"a": 2}\n')
    part = Part(Dialect(str(path), "jsonl", "none", "utf-8"), 0, None, None, ())
    rows = [
        row
        for values, flaws, _ in portions(part, ["a"], [True], rows=False)
        for row in zip(values[0], flaws, strict=True)
    ]
    assert rows == [("1", None), (None, "malformed_row"), ("2", None)]
