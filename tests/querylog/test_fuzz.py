"""Ten thousand rows of nasty values in each format: every row in is counted once, and what was rejected can be read."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.querylog.trial import ingested, metrics_of, queries, rejected

pytestmark = pytest.mark.usefixtures("spark")
ROWS = 10_000
SEED = 20_260_228
TIME = "2026-02-27T09:00:00Z"
COLUMNS = {"columns": {"clicks": "clicks", "label": "label"}}

# As JSON has them; `\\u` stands as an escape in the file.
JSON_VALUES = [
    '"plain"', '"plain"', '"plain"', '"0"', '"1"', "2", "null", '""', '"  "', "NaN", "Infinity", "-0.0", "1e400", "1.0",
    "true", "[]", '["a"]', '{"a": 1}', r'"\ud800"', r'"x\udfff y"', r'"\ud83d\ude00"', r'"a\u0000b"', '"\u2028"',
    r'"\u200b"', '"caf\u00e9"', '"\u0645\u0631\u062d\u0628\u0627"', '"' + "x" * 400 + '"', '"' + "y" * 70_000 + '"',
    '"=HYPERLINK(0)"', '"a,b;c\\td"', r'"line\nbreak"', r'"quote \" in"', '"<script>"', '"$(rm)"', '"\ufffd"', '"01"',
    "999999999999999999", "99999999999999999999999", "12345678901234567890.5",
]  # fmt: skip
JSON_TIMES = [
    f'"{TIME}"', f'"{TIME}"', f'"{TIME}"', '"2026-02-27"', '"2026-02-27 09:00"', "null", '"soon"', "1772269200", '"-"',
    '"0000-00-00"', '"2026-13-45"', '"9999-12-31T23:59:59Z"', '"1000-01-01"', "{}", "true", '"2020-01-01"',
    "NaN", '"T"',
    '"2026-02-27T09:00:00+14:00"', '"10:00"', '"99999999999999999999"', "1e308",
]  # fmt: skip
JSON_CLICKS = [
    "1", "2", "1e3", "1.0", "0", "-1", "1.5", '"7"', '"10,000"', "true", "null", "[]", "NaN", '"\u0663"', "1e99",
    '"1_000"', "9" * 18, "9" * 19, '" 3 "', '"0x10"', "1e-3",
]  # fmt: skip
JSON_LINES = [
    b"{", b"}", b"[]", b"true", b'"x"', b"12", b"null", b'{"query": "torn', b"{'query': 'x'}", b"\x00\x01\x02",
    b"\xff\xfe",
    b'{"query": "a\xc0\xaf", "document_id": "0"}', b'{"a": 1} {"b": 2}', b"[" * 3000, b'{"a":' * 3000, b"<html>",
    b'{"query": "\xe9", "event_time": "2026-02-27", "document_id": "1"}', b'{"query": "tab\there"}', b"\xef\xbb\xbf{}",
    b'{"event_time": ' + b"9" * 5000 + b"}",
]  # fmt: skip


def jsonl(draw: random.Random) -> tuple[bytes, int]:
    """Lines of JSON, and how many of them are rows."""
    lines: list[bytes] = []
    for _ in range(ROWS):
        if draw.random() < 0.02:
            lines.append(draw.choice(JSON_LINES))
            continue
        # Long values are worth a few rows, not a quarter of the file.
        query = draw.choice(JSON_VALUES[:26] if draw.random() < 0.99 else JSON_VALUES)
        parts = {
            "event_time": draw.choice(JSON_TIMES),
            "query": query,
            "document_id": draw.choice(JSON_VALUES[:22]) if draw.random() < 0.3 else f'"{draw.randrange(5)}"',
            "clicks": draw.choice(JSON_CLICKS) if draw.random() < 0.3 else "1",
            "label": draw.choice(JSON_VALUES[:20]),
        }
        keys = [key for key in parts if draw.random() > 0.01]
        draw.shuffle(keys)
        lines.append(("{" + ", ".join(f'"{key}": {parts[key]}' for key in keys) + "}").encode())
    ends = [draw.choice((b"\n", b"\n", b"\r\n", b"\n\n", b"\n \n")) for _ in lines]
    return b"".join(line + end for line, end in zip(lines, ends, strict=True)), ROWS


CSV_FIELDS = [
    "plain", "plain", "0", "", " ", '"a,b"', '"line\nbreak"', '"two\n\nbreaks"', '"say ""hi"""', 'in"side', '"open',
    '"text" after', "'", "\x00", "caf\u00e9", "\u2028", "\u0085", "=1+1", "x" * 400, "\ufffd", "\\", '\\"', '""', '"""',
]  # fmt: skip


def csv(draw: random.Random) -> tuple[bytes, int]:
    """Lines of CSV; how many rows they are depends on their quotes: an independent reader below counts them."""
    lines = [b"event_time,query,document_id,clicks,label"]
    for _ in range(ROWS):
        query = draw.choice(CSV_FIELDS)
        # A quote that is not closed takes the next line for its own if that has no time either: nobody could tell.
        odd = draw.random() < 0.1 and '"' not in query
        clicks = draw.choice(JSON_CLICKS).strip('"') if draw.random() < 0.1 else "1"
        fields = [draw.choice(JSON_TIMES).strip('"') if odd else TIME, query, str(draw.randrange(6))]
        fields += [clicks.replace(",", "."), draw.choice(CSV_FIELDS[:6])]
        if draw.random() < 0.02:
            fields = fields[: draw.randrange(1, 5)] if draw.random() < 0.5 else [*fields, "more"]
        line = ",".join(fields).encode()
        lines.append(line.replace("\u00e9".encode(), b"\xe9") if draw.random() < 0.2 else line)
    return b"".join(line + draw.choice((b"\n", b"\r\n")) for line in lines), _csv_rows(lines[1:])


def _csv_rows(records: list[bytes]) -> int:
    """Rows that some written records are: one each, or of one that is broken each line that is not empty."""
    texts = [record.decode("utf-8", "replace") for record in records]
    return sum(1 if _fields(text) == 5 else len([line for line in text.split("\n") if line]) for text in texts)


def _fields(text: str) -> int:
    """How many fields a record has by RFC 4180, told by hand; none if a quoted field does not end at a comma."""
    state, count = "start", 1
    for character in text:
        if character == "," and state != "quoted":
            state, count = "start", count + 1
        elif state == "start":
            state = "quoted" if character == '"' else "plain"
        elif character == '"' and state in ("quoted", "quote"):
            state = "quote" if state == "quoted" else "quoted"
        elif state == "quote":
            return 0
    return 0 if state == "quoted" else count


def parquet(draw: random.Random) -> tuple[bytes, int]:
    """Columns whose texts are not all UTF-8, with doubles for clicks and nanoseconds for times."""
    texts = [
        b"plain", b"plain", b"", b" ", b"a\xc0\xaf", b"\xff", b"\xed\xa0\x80", b"caf\xc3\xa9", b"x" * 400, b"\x00",
        b"NaN",
        "\u2028".encode(), "\ufffd".encode(), b"true", b"{}", None,
    ]  # fmt: skip
    clicks = [1.0, 1e7, 0.0, -1.0, 1.5, float("nan"), float("inf"), 1e300, None, 2.0**53]
    moment = int(datetime(2026, 2, 27, tzinfo=UTC).timestamp()) * 10**9
    times = [moment, moment + 1, 0, -1, 2**62, -(2**62), None]

    def column(values: list[bytes | None]) -> pa.Array:
        # Bytes that Arrow takes for text without looking at them.
        return pa.Array.from_buffers(pa.string(), len(values), pa.array(values, pa.binary()).buffers())

    table = pa.table(
        {
            "event_time": pa.array([draw.choice(times[:2] * 9 + times) for _ in range(ROWS)], pa.timestamp("ns")),
            "query": column([draw.choice(texts) for _ in range(ROWS)]),
            "document_id": column(
                [draw.choice([b"0", b"1", b"2", b"1", b"9", b"\xff", b"", None]) for _ in range(ROWS)]
            ),
            "clicks": pa.array([draw.choice([1.0] * 9 + clicks) for _ in range(ROWS)]),
            "label": column([draw.choice(texts) for _ in range(ROWS)]),
        }
    )
    stream = io.BytesIO()
    pq.write_table(table, stream)
    return stream.getvalue(), ROWS


@pytest.mark.parametrize("made", [jsonl, csv, parquet])
def test_every_row_is_counted_once_and_rejected_rows_can_be_read(
    home: Path, made: Callable[[random.Random], tuple[bytes, int]]
) -> None:
    content, rows = made(random.Random(SEED))
    name = made.__name__
    run = ingested(home, {"path": f"log.{name}", "format": name, **COLUMNS}, {f"log.{name}": content})
    metrics = metrics_of(run)
    # `ingested` has compared the rows that were counted with where they went.
    assert metrics["log_rows"] == rows
    used = run.read("queries")
    assert min(used["count"].to_pylist()) >= 1
    assert all(query == query.strip() and "\ufffd" not in query for query in queries(run))
    assert {row["query"] for row in run.read("pairs").to_pylist()} == set(queries(run))
    assert len(rejected(run)) >= 8
    for row in run.read("rejected").to_pylist():
        row["row"].encode()
        assert isinstance(json.loads(row["row"]), dict | list | bool | str | int | type(None))
