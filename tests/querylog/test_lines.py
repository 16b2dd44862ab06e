"""Lines and records of text files without Spark: wherever a file is cut, and whatever its quotes do."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from synalign.config import DocumentColumns
from synalign.config.source import TableFiles
from synalign.querylog import text_lines
from synalign.querylog.delimited import Looks, Record, Records, shape
from synalign.querylog.dialect import Dialect
from synalign.querylog.files import Table
from synalign.querylog.heads import head_of
from synalign.querylog.sources import document_columns
from synalign.querylog.text_frame import Part, parts_of, portions

NAMES = ("event_time", "query", "document_id")
TIME = "2026-02-28T09:00:00Z"


def records(text: str, names: tuple[str, ...] = NAMES, *, certain: bool = True) -> list[Record]:
    dialect = Dialect("a.csv", "csv", "none", "utf-8", names=names)
    looks = Looks(0, frozenset({shape(TIME) if certain else shape("kb-17")}), certain)
    blocks = iter([(text.split("\n"), {})])
    return [record for portion in Records(dialect, blocks, looks) for record in portion]


def flaws(found: list[Record]) -> list[str | None]:
    return [record.flaw for record in found]


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


def test_a_large_file_is_read_in_parts_and_a_compressed_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synalign.querylog.text_frame.TASK_BYTES", 1000)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"a": {number}}}\n' for number in range(1000)))
    part = Part(Dialect(str(path), "jsonl", "none", "utf-8"), 0, None, None, ())
    parts = parts_of(part)
    assert len(parts) > 5
    found = [value for one in parts for values, _, _ in portions(one, ["a"], [True], rows=False) for value in values[0]]
    assert found == [str(number) for number in range(1000)]
    for other in ({"compression": "gzip"}, {"encoding": "utf-16"}, {"format": "csv"}):
        assert len(parts_of(part._replace(dialect=part.dialect._replace(**other)))) == 1


def test_a_quote_that_is_not_closed_costs_its_own_line() -> None:
    good = "".join(f"{TIME},query {number},0\n" for number in range(500))
    for line in (f'{TIME},"a,0', f'{TIME},a,"0', f'"{TIME},a,0', f'{TIME},"a"b,0', f'{TIME},""",0', f'{TIME},"a,"b,0'):
        for before, behind in (("", good), (good, good), (good, ""), ("", good + f'{TIME},"whole",1\n'),
                               ("", good + f'{TIME},b",1\n'), ("", f'{TIME},"x\ny",1\n' + good)):  # fmt: skip
            found = records(before + line + "\n" + behind)
            broken = [record for record in found if record.flaw]
            assert [(record.flaw, record.text, record.number) for record in broken] == [
                ("unclosed_quote", line, before.count("\n") + 1)
            ], (line, behind[-40:])
            assert len(found) - 1 == (before + behind).count("\n") - behind.count("x\ny")


def test_quoted_fields_over_several_lines_are_whole_as_python_reads_them() -> None:
    draw = random.Random(3)
    pieces = ["a", "two words", "comma, here", 'a "quote"', "line\nbreak", "\n\n", "", " ", "é", "2026", "x,y,z\nu,v,w"]
    rows = [[TIME, draw.choice(pieces) + draw.choice(pieces), str(number)] for number in range(2000)]
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    assert [record.fields for record in records(stream.getvalue())] == rows


def test_documents_may_have_lines_that_look_like_documents() -> None:
    text = "covid-19, flu, and colds\nkb-17, kb-18, and others\nthe end"
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([["kb-1", "t", text], ["kb-2", "t", "x"]])
    found = records(stream.getvalue(), ("id", "title", "text"), certain=False)
    assert [record.fields and record.fields[2] for record in found] == [text, "x"]
    many = "".join(f"kb-{number},t,x\n" for number in range(50))
    found = records(f'kb-0,t,"x\n{many}kb-99,t,y"\n', ("id", "title", "text"), certain=False)
    assert flaws(found) == ["unclosed_quote", *[None] * 51]


def test_a_million_quotes_that_are_not_closed_are_read_in_time() -> None:
    found = records(f'{TIME},"a,0\n' * 20_000)
    assert set(flaws(found)) == {"unclosed_quote"}
    assert len(found) == 20_000


@pytest.mark.parametrize(
    ("content", "delimiter", "quote", "encoding", "names"),
    [
        (b"document_id,title,text\n1,t,x\n", ",", '"', "utf-8", ["document_id", "title", "text"]),
        (b"document_id\ttext\n1\t\"a\" b\n", "\t", "", "utf-8", ["document_id", "text"]),
        (b'document_id\ttext\n1\t"say ""a"""\n', "\t", '"', "utf-8", ["document_id", "text"]),
        (b"document_id;text;price\n1;a,b;1,5\n2;c,d;2,5\n", ";", '"', "utf-8", ["document_id", "text", "price"]),
        (b"document_id|text\n1|a\n", "|", '"', "utf-8", ["document_id", "text"]),
        (b"document_id\x01text\n1\x01a\n", "\x01", "", "utf-8", ["document_id", "text"]),
        (b"\xef\xbb\xbfdocument_id,text\r\n1,a\r\n", ",", '"', "utf-8-sig", ["document_id", "text"]),
        ("document_id,text\n1,é\n".encode("utf-16"), ",", '"', "utf-16", ["document_id", "text"]),
        ("document_id,text\n1,é\n".encode("utf-16-le"), ",", '"', "utf-16-le", ["document_id", "text"]),
        ("document_id,text\n1,é\n".encode("utf-32"), ",", '"', "utf-32", ["document_id", "text"]),
        (b'"document_id", "text"\n"1", "a, b"\n', ",", '"', "utf-8", ["document_id", "text"]),
        (b"document_id,text\r1,a\r2,b\r", ",", '"', "utf-8", ["document_id", "text"]),
    ],
)  # fmt: skip
def test_how_a_file_is_written_is_told_from_its_head(
    tmp_path: Path, content: bytes, delimiter: str, quote: str, encoding: str, names: list[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    wanted = document_columns(DocumentColumns())
    head = head_of(
        Table("documents", "source.documents", TableFiles(path=str(path), format="csv")), "csv", path, wanted
    )
    dialect = head.dialect
    assert (dialect.delimiter, dialect.quote, dialect.encoding, head.names) == (delimiter, quote, encoding, names)
    part = Part(dialect, 0, None, None, ())
    rows = [value for values, flaws, _ in portions(part, names, [True] * len(names), rows=True) for value in values[0]]
    assert rows == [row["document_id"] for row in head.rows]
    assert rows[0] == "1"
