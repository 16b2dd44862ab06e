"""Rows that rules reject, and rejected rows that are forgotten."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import InputError
from synalign.querylog.trace import Trace
from synalign.storage import Place
from synalign.tables import SCHEMAS
from synalign.upkeep import rows as forgetting
from tests.querylog.trial import (
    CLICKS,
    JSONL,
    event,
    ingested,
    queries,
    rejected,
)

pytestmark = pytest.mark.usefixtures("spark")


def test_a_query_with_more_clicks_than_a_count_holds_is_rejected_and_the_others_are_exact(home: Path) -> None:
    lines = [event(query=" a" * (1 + number % 2), clicks=10**18 - 1) for number in range(24)]
    lines += [event(query="b", clicks=10**18 - 1) for _ in range(9)]
    run = ingested(home, {**JSONL, **CLICKS}, {"log.jsonl": "".join(lines)})
    assert queries(run) == {"b": 9 * (10**18 - 1)}
    assert rejected(run) == {"too_many_clicks": 24}
    with pytest.raises(InputError, match="too_many_clicks 12"):
        ingested(home, {**JSONL, **CLICKS}, {"log.jsonl": event(clicks=10**18 - 1) * 12})


def test_values_that_are_no_text_are_rejected_and_rejected_rows_can_be_forgotten(home: Path) -> None:
    values = ["NaN", '{"a": 1}', "[]", "true", r'"\ud800"', "-Infinity"]
    lines = [event(query="X").replace('"X"', value) for value in values]
    lines += [event(), "[]\n", "true\n", event(document_id="Y").replace('"Y"', '{"$oid": "0"}')]
    content = "".join(lines).encode() + event(query="a?").encode().replace(b"a?", b"a\xc0\xaf")
    run = ingested(home, JSONL, {"log.jsonl": content + event(document_id="0?").encode().replace(b"0?", b"0\xff")})
    assert queries(run) == {"a": 1}
    assert rejected(run) == {"not_text": 6, "control_characters": 2, "malformed_row": 2, "undecodable": 1}
    (file,) = run.files("rejected")
    trace = Trace("a\ufffd\ufffd")
    assert forgetting.count("rejected", file, trace, forgetting.nothing_known(trace)) == 1


def test_a_table_of_an_earlier_version_with_bytes_that_are_no_text_can_be_forgotten(tmp_path: Path) -> None:
    rows = [b'{"query": "a\xc0\xaf"}', b'{"query": "my name"}', b'{"query": "other"}']
    text = pa.Array.from_buffers(pa.string(), 3, pa.array(rows, pa.binary()).buffers())
    table = pa.table({"source": ["log"] * 3, "row": text, "rule": ["x"] * 3, "reason": ["x"] * 3}, SCHEMAS["rejected"])
    pq.write_table(table, tmp_path / "old.parquet")
    trace = Trace("My  name")
    known = forgetting.nothing_known(trace)
    old, new = Place(tmp_path / "old.parquet"), Place(tmp_path / "new.parquet")
    assert forgetting.count("rejected", old, trace, known) == 1
    forgetting.copy_without("rejected", old, new, trace, known)
    assert pq.read_metadata(tmp_path / "new.parquet").num_rows == 2
