"""Dialects of text files, told from their heads."""

from __future__ import annotations

from pathlib import Path

import pytest

from synalign.config import DocumentColumns
from synalign.config.location import TableFiles
from synalign.querylog.files import Table
from synalign.querylog.heads import head_of
from synalign.querylog.sources import document_columns
from synalign.querylog.text_frame import Part, portions


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
