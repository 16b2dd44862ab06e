"""Files that people really have: each is read, or its rows are counted where they went."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import logging
import lzma
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import InputError
from synalign.querylog.sources import open_source
from synalign.querylog.text_frame import Part, portions
from synalign.querylog.trace import Trace
from synalign.storage import Place
from synalign.tables import SCHEMAS
from synalign.upkeep import rows as forgetting
from tests.querylog.trial import configured, ingested, metrics_of, queries, rejected, write

pytestmark = pytest.mark.usefixtures("spark")
TIME = "2026-02-28T09:00:00Z"
MOMENT = datetime(2026, 2, 28, 9, tzinfo=UTC)
JSONL = {"path": "log.jsonl", "format": "jsonl"}
CSV = {"path": "log", "format": "csv"}
PARQUET = {"path": "log.parquet", "format": "parquet"}
CLICKS = {"columns": {"clicks": "clicks"}}


def event(**fields: Any) -> str:
    return json.dumps({"event_time": TIME, "query": "a", "document_id": "0", **fields}) + "\n"


def parquet(**columns: Any) -> bytes:
    rows = len(next(values for values in columns.values() if values is not None))
    content = {"event_time": [MOMENT] * rows, "query": ["a"] * rows, "document_id": ["0"] * rows, **columns}
    stream = io.BytesIO()
    pq.write_table(pa.table({name: values for name, values in content.items() if values is not None}), stream)
    return stream.getvalue()


def beir(home: Path, qrels: str, corpus: str = '{"_id": "1", "text": "x"}\n', **more: str) -> Any:
    files = {"b/corpus.jsonl": corpus, "b/queries.jsonl": '{"_id": "q1", "text": "how"}\n', "b/qrels/train.tsv": qrels}
    return ingested(home, {"kind": "beir", "path": "b"}, {**files, **more})


HEADER = "query-id\tcorpus-id\tscore\n"


def test_every_line_of_judgements_is_counted(home: Path) -> None:
    lines = ["q1\t1\t1", "q1\t1\trelevant", "q1\t1", "q1 1 1", '"q1\t1\t1', "q1\t1\t0", "q1\t1\t-2", "q1\t1\t1\t1",
             "\t1\t1", "q1\t\t1", "q1\t1\tNaN", "q1\t1\t1e0", "q1\t1\t2.5"]  # fmt: skip
    queries_ = (
        '{"_id": "q1", "text": "how"}\n{"_id": "q1", "text": "twice"}\n{"_id": "q\n{"_id": "\\"q1", "text": "quote"}\n'
    )
    run = beir(home, HEADER + "\n".join(lines) + "\n", **{"b/queries.jsonl": queries_})
    assert queries(run) == {"how": 3, "quote": 1}
    metrics = metrics_of(run)
    assert metrics["log_rows"] == len(lines) + 2
    assert metrics["log_rows_not_relevant"] == 2
    assert rejected(run) == {"malformed_row": 8, "duplicate_query_id": 1}


@pytest.mark.parametrize(
    ("title", "qrels"),
    [
        ("", "q1\t1\t1\n"),
        (', "title": null', "q1 0 1 1\n"),
        (', "title": "t"', "q1\t0\t1\t1\n"),
        ("", f"{HEADER}q1\t1\t1"),
    ],
)
def test_a_folder_without_titles_or_without_names_is_read(home: Path, title: str, qrels: str) -> None:
    run = beir(home, qrels, f'{{"_id": "1", "text": "x"{title}}}\n')
    assert queries(run) == {"how": 1}
    assert run.read("documents")["title"].to_pylist() == ["t" if '"t"' in title else ""]


@pytest.mark.parametrize(
    ("qrels", "more"),
    [
        (HEADER + "q1\t1\t1\n", {"b/corpus.jsonl": '{"id": "1", "text": "x"}\n'}),
        (HEADER + "q1\t1\t1\n", {"b/queries.jsonl": '{"id": "q1", "query": "x"}\n'}),
        ("topic\tdocument\tjudgement\nq1\t1\t1\n", {}),
        (HEADER + "q1\t9\t1\n", {}),
        (HEADER + "q1\t1\t0\n", {}),
        (HEADER, {}),
    ],
)
def test_no_error_about_a_folder_names_settings_that_it_does_not_have(
    home: Path, qrels: str, more: dict[str, str]
) -> None:
    with pytest.raises(InputError) as caught:
        beir(home, qrels, **more)
    assert str(home / "b") in caught.value.message
    for setting in ("source.columns", "source.documents", "source.format", "source.header"):
        assert setting not in str(caught.value)


@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin"])
def test_nanoseconds_are_times_like_others(home: Path, zone: str | None) -> None:
    nanos = int(MOMENT.timestamp()) * 10**9
    times = pa.array([nanos + 999, nanos, nanos + 86_400 * 10**9], pa.timestamp("ns", zone))
    run = ingested(
        home, PARQUET, {"log.parquet": parquet(event_time=times, query=["a", "b", "c"], document_id=["0"] * 3)}
    )
    assert {row["query"]: row["first_seen"] for row in run.read("queries").to_pylist()} == {"a": MOMENT, "b": MOMENT}
    assert metrics_of(run)["log_rows_outside_window"] == 1


def test_old_writers_times_are_read(home: Path) -> None:
    stream = io.BytesIO()
    table = pa.table({"event_time": [MOMENT], "query": ["a"], "document_id": ["0"]})
    pq.write_table(table, stream, use_deprecated_int96_timestamps=True)
    run = ingested(home, PARQUET, {"log.parquet": stream.getvalue()})
    assert run.read("queries")["first_seen"].to_pylist() == [MOMENT]


def test_csv_files_of_one_folder_are_read_by_name(home: Path) -> None:
    files = {
        "log/a.csv": f"event_time,query,document_id\n{TIME},a,0\n",
        "log/b.csv": f"query,event_time,document_id,more\nb,{TIME},1,x\n",
        "log/c.tsv": f"document_id\tevent_time\tquery\n2\t{TIME}\tc\n",
        "log/d.csv": f"document_id;event_time;query\r\n2;{TIME};d\r\n".encode("utf-16"),
    }
    run = ingested(home, CSV, files)
    assert queries(run) == {"a": 1, "b": 1, "c": 1, "d": 1}


def test_a_swallowing_quote_is_named_with_its_line(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    good = "".join(f"{TIME},b,0\n" for _ in range(500))
    with caplog.at_level(logging.WARNING, "synalign"):
        run = ingested(home, CSV, {"log/a.csv": f'event_time,query,document_id\n{TIME},"a,0\n{good}'})
    assert queries(run) == {"b": 500}
    assert rejected(run) == {"unclosed_quote": 1}
    assert "line 2 of a.csv" in caplog.text
    kept = json.loads(run.read("rejected")["row"].to_pylist()[0])
    assert kept == {"line": f'{TIME},"a,0', "file": "a.csv", "number": 2}


@pytest.mark.parametrize(("format_", "day"), [("parquet", "2026-02-28"), ("csv", "20260228"), ("jsonl", "2026-02-28")])
def test_a_folder_of_a_day_is_a_column(home: Path, format_: str, day: str) -> None:
    content: dict[str, bytes | str] = {
        "parquet": parquet(event_time=None, query=["a"]),
        "csv": "query,document_id\na,0\n",
        "jsonl": '{"query": "a", "document_id": 0}\n',
    }
    source = {"path": "log", "format": format_, "columns": {"event_time": "dt", "label": "country"}}
    files = {
        f"log/dt={day}/country=de at/a.{format_}": content[format_],
        f"log/dt=2020{day[4:]}/country=de/a.{format_}": content[format_],
    }
    run = ingested(home, source, files)
    (row,) = run.read("queries").to_pylist()
    assert (row["label"], row["first_seen"]) == ("de at", datetime(2026, 2, 28, tzinfo=UTC))
    assert metrics_of(run)["log_rows_outside_window"] == 1


def test_clicks_are_whole_numbers_however_they_are_written(home: Path) -> None:
    clicks = [1e7, 3.0, 2.5, float("nan"), float("inf"), -1.0, 0.0, None]
    run = ingested(home, {**PARQUET, **CLICKS}, {"log.parquet": parquet(clicks=clicks, query=list("abcdefgh"))})
    assert queries(run) == {"a": 10_000_000, "b": 3}
    assert rejected(run) == {"malformed_clicks": 6}


def test_clicks_of_eighteen_digits_are_exact(home: Path) -> None:
    clicks = {"a": 10**18 - 1, "b": "999999999999999998", "c": 10**18, "d": "10,000", "e": True, "f": "+5"}
    lines = [event(query=query, clicks=number) for query, number in clicks.items()]
    lines.append(event(query="g", clicks="N").replace('"N"', "12e2"))
    run = ingested(home, {**JSONL, **CLICKS}, {"log.jsonl": "".join(lines)})
    assert queries(run) == {"a": 10**18 - 1, "b": 10**18 - 2, "g": 1200}
    assert rejected(run) == {"malformed_clicks": 4}


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


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        (1_772_269_200, {}),
        (1_772_269_200_000, {}),
        (1_772_269_200.5, {}),
        ("1772269200000000", {}),
        ("28/Feb/2026:10:00:00 +0100", {}),
        ("02/28/2026 09:00", {}),
        ("28.02.26 09:00", {"time_format": "%d.%m.%y %H:%M"}),
        ("5", {"time_format": "epoch_seconds"}),
    ],
)
def test_times_of_other_formats_are_read(home: Path, value: object, settings: dict[str, str]) -> None:
    if value == "5":
        with pytest.raises(InputError, match="the log's times go from 1970-01-01 00:00 to 1970-01-01 00:00 UTC"):
            ingested(home, {**JSONL, **settings}, {"log.jsonl": event(event_time=value)})
        return
    run = ingested(home, {**JSONL, **settings}, {"log.jsonl": event(event_time=value)})
    (seen,) = run.read("queries")["first_seen"].to_pylist()
    assert seen.replace(microsecond=0) == MOMENT


def test_numbers_and_texts_of_parquet_are_times_too(home: Path) -> None:
    rows = {"event_time": [1_772_269_200_123.0, 1_772_269_200_000.0, float("nan")], "query": ["a", "b", "c"],
            "document_id": ["0"] * 3}  # fmt: skip
    run = ingested(home, PARQUET, {"log.parquet": parquet(**rows)})
    assert {row["query"]: row["first_seen"].microsecond for row in run.read("queries").to_pylist()} == {
        "a": 123_000,
        "b": 0,
    }
    assert rejected(run) == {"malformed_time": 1}
    other = ingested(
        home, {"path": "day.parquet"}, {"day.parquet": parquet(event_time=[20_260_228, 20_250_101], query=["a", "b"])}
    )
    assert queries(other) == {"a": 1}


def test_keys_within_others_and_keys_with_dots(home: Path) -> None:
    columns = {"event_time": "_source.@timestamp", "query": "_source.query", "document_id": "hit.ids.0", "label": "a.b"}
    line = {"_source": {"@timestamp": TIME, "query": "a"}, "hit": {"ids": [0, 1]}, "a.b": "flat", "a": {"b": "deep"}}
    run = ingested(home, {**JSONL, "columns": columns}, {"log.jsonl": json.dumps(line) + "\n"})
    assert run.read("queries").to_pylist()[0]["label"] == "flat"
    nested = {
        "_source": [{"@timestamp": MOMENT, "query": "a"}],
        "document_id": ["0"],
        "event_time": None,
        "query": None,
    }
    source = {**PARQUET, "columns": {**columns, "document_id": "document_id", "label": None}}
    assert queries(ingested(home, source, {"log.parquet": parquet(**nested)})) == {"a": 1}


@pytest.mark.parametrize(
    ("ids", "documents", "words"),
    [
        (["1.0", "2.0"], ["1", "2"], "'1.0' in the log is '1' in the documents"),
        (["01", "002"], ["1", "2"], "'01' in the log is '1' in the documents"),
        (["1", "2"], ["0001", "0002"], "'1' in the log is '0001' in the documents"),
        (["KB-1"], ["kb-1"], "'KB-1' in the log is 'kb-1' in the documents"),
        (["https://x.example/kb-1"], ["kb-1"], "is 'kb-1' in the documents"),
        (["foo"], ["bar"], "the log has such as 'foo', the documents such as 'bar'"),
    ],
)
def test_ids_that_do_not_join_are_shown_side_by_side(
    home: Path, ids: list[str], documents: list[str], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = "".join(json.dumps({"document_id": one, "text": "x"}) + "\n" for one in [*documents, "same"])
    lines = "".join(event(document_id=one) for one in ids)
    with pytest.raises(InputError) as caught:
        ingested(home, JSONL, {"log.jsonl": lines, "d.jsonl": content})
    assert words in caught.value.cause
    if ids == ["KB-1"]:
        with caplog.at_level(logging.WARNING, "synalign"):
            run = ingested(home, JSONL, {"log.jsonl": lines * 20 + event(document_id="same"), "d.jsonl": content})
        assert rejected(run) == {"unknown_document": 20}
        assert words in caplog.text


def test_what_was_told_from_files_is_said(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = f"event_time\tquery\tdocument_id\n{1_772_269_200_000}\té\t0\n"
    with caplog.at_level(logging.INFO, "synalign"):
        ingested(home, {"path": "log", "format": "csv"}, {"log/a.txt": lines.encode("utf-16"), "log/notes.md": "x"})
    (line,) = [record.message for record in caplog.records if record.message.startswith("query log:")]
    for words in ("1 file", "tab-separated", "utf-16", "epoch milliseconds (guessed from '1772269200000')", "notes.md"):
        assert words in line


@pytest.mark.parametrize("name", ["log.txt", "log.tsv.gz", "log.csv.bz2", "log.ndjson.zst", "log.json.xz", "log.pq"])
def test_the_format_is_told_from_the_ending(home: Path, name: str) -> None:
    table = f"event_time\tquery\tdocument_id\n{TIME}\ta\t0\n".encode()
    content: dict[str, bytes] = {
        "log.txt": table,
        "log.tsv.gz": gzip.compress(table[:30]) + gzip.compress(table[30:]),
        "log.csv.bz2": bz2.compress(table),
        "log.ndjson.zst": pa.compress(event().encode(), "zstd", asbytes=True),
        "log.json.xz": lzma.compress(event().encode()),
        "log.pq": parquet(query=["a"]),
    }
    write(home, {name: content[name]})
    opened = open_source(configured({"path": name, "format": "auto"}).source).log
    assert opened is not None
    assert set(opened.names) == {"event_time", "query", "document_id"}
    assert opened.format == {"log.pq": "parquet", "log.ndjson.zst": "jsonl", "log.json.xz": "jsonl"}.get(name, "csv")
    for head in opened.heads:
        part = Part(head.dialect, 0, None, None, ())
        assert [values for values, _, _ in portions(part, ["query"], [True], rows=False)] == [[["a"]]]


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
