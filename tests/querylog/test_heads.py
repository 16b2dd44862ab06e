"""Heads of text files, and what an error about one asks to set."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synalign.errors import InputError
from tests.querylog.trial import (
    ingested,
)

pytestmark = pytest.mark.usefixtures("spark")


def test_a_first_line_longer_than_the_head_is_one_row(home: Path) -> None:
    long = json.dumps({"event_time": "2026-02-28T09:00:00Z", "query": "x" * 300_000, "document_id": "0"})
    short = json.dumps({"event_time": "2026-02-28T09:00:00Z", "query": "fine", "document_id": "0"})
    run = ingested(home, {"format": "jsonl"}, {"log/a.jsonl": f"{long}\n{short}\n"})
    assert run.read("queries")["query"].to_pylist() == ["fine"]
    assert run.read("rejected")["rule"].to_pylist() == ["long_query"]


@pytest.mark.parametrize(
    ("content", "format_", "said"),
    [
        ("event_time;query;document_id\n2026-02-28;café;0\n".encode("latin-1"), "csv", "set source.encoding"),
        (b"PAR1" + b"\x15\x04" * 20 + b"PAR1", "csv", "set source.format: parquet"),
    ],
)
def test_what_to_set_is_said(home: Path, content: bytes, format_: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        ingested(home, {"format": format_}, {"log/a.csv": content})
