"""Query logs as they come: every format, every kind of broken row, and input that cannot be used at all."""

import csv
import json
import unicodedata
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration
from synalign.errors import InputError, StorageError, SynAlignError
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from synalign.tables import SCHEMAS, content_id

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = "2026-02-20T10:00:00"
DOCUMENTS = [
    {"document_id": "d1", "title": "One", "text": "first"},
    {"document_id": "d2", "title": "", "text": "second"},
]


def event(query: Any = "how to sort", document: Any = "d1", time: Any = TIME, **more: Any) -> dict[str, Any]:
    return {"event_time": time, "query": query, "document_id": document, **more}


def write_jsonl(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def refresh(home: Path, configuration: Configuration, rows: list[Any], documents: list[Any] = DOCUMENTS) -> Run:
    write_jsonl(home / "log" / "a.jsonl", rows)
    write_jsonl(home / "d.jsonl", documents)
    run = Run(configuration, INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    return run


def rejected(run: Run) -> Counter[str]:
    return Counter(run.read("rejected")["rule"].to_pylist())


def test_rows_become_counted_queries_and_pairs(home: Path, configuration: Make) -> None:
    rows = [
        event("how to sort", "d1", "2026-02-20T10:00:00"),
        event("  how  to sort ", "d1", "2026-02-25T10:00:00Z"),
        event("how to sort", "d2", "2026-02-10T10:00:00+02:00"),
        event("How to sort", "d2"),
    ]
    run = refresh(home, configuration(), rows)
    queries = {row["query"]: row for row in run.read("queries").to_pylist()}
    assert set(queries) == {"how to sort", "How to sort"}
    assert queries["how to sort"]["count"] == 3
    assert queries["how to sort"]["query_id"] == content_id("how to sort")
    assert queries["how to sort"]["first_seen"] == datetime(2026, 2, 10, 8, tzinfo=UTC)
    assert queries["how to sort"]["last_seen"] == datetime(2026, 2, 25, 10, tzinfo=UTC)
    pairs = {(row["query"], row["document_id"]): row for row in run.read("pairs").to_pylist()}
    assert pairs["how to sort", "d1"]["count"] == 2
    assert pairs["how to sort", "d2"]["pair_id"] == content_id("how to sort", "d2")
    assert run.read("rejected").num_rows == 0
    for table in ("queries", "pairs", "documents", "rejected"):
        assert run.read(table).schema.names == SCHEMAS[table].names


def test_every_kind_of_broken_row_is_recorded_with_its_rule_and_as_it_came(home: Path, configuration: Make) -> None:
    broken = {
        "null_query": event(None),
        "empty_query": event(" \t "),
        "control_characters": event("bell\x07"),
        "long_query": event("x" * 301),
        "null_document": event("fine", None),
        "unknown_document": event("fine", "d9"),
        "malformed_time": event("fine", "d1", "last Tuesday"),
    }
    run = refresh(home, configuration(), [event(), *broken.values(), '{"query": "torn'])
    assert rejected(run) == Counter({**dict.fromkeys(broken, 1), "malformed_row": 1})
    for row in run.read("rejected").to_pylist():
        content = json.loads(row["row"])
        if row["rule"] == "malformed_row":
            assert content == {"line": '{"query": "torn'}
        else:
            assert content == broken[row["rule"]]
        assert row["reason"]
    assert run.read("queries")["query"].to_pylist() == ["how to sort"]


def test_decoding_errors_and_hostile_text_are_data(home: Path, configuration: Make) -> None:
    hostile = [
        "'; DROP TABLE queries; --",
        "<script>alert(1)</script>",
        "=HYPERLINK(0)",
        'quote " and \\ slash',
        "x" * 300,
    ]
    rows = [event(text) for text in hostile]
    (home / "log").mkdir(parents=True)
    (home / "log" / "b.jsonl").write_bytes(
        b'{"event_time": "%s", "query": "caf\xe9", "document_id": "d1"}\n' % TIME.encode()
    )
    run = refresh(home, configuration(), rows)
    assert sorted(run.read("queries")["query"].to_pylist()) == sorted(hostile)
    assert rejected(run) == Counter({"control_characters": 1})


def test_other_languages_are_kept_and_normalised(home: Path, configuration: Make) -> None:
    texts = ["日本語　検索", "كيف أفرز قائمة", "как отсортировать", "cafe\u0301 ﬁn", "👩‍👩‍👧 emoji"]
    run = refresh(home, configuration(), [event(text) for text in texts])
    expected = {" ".join(unicodedata.normalize("NFKC", text).split()) for text in texts}
    assert set(run.read("queries")["query"].to_pylist()) == expected


def test_only_the_window_counts_late_and_early_rows_are_left_out(home: Path, configuration: Make) -> None:
    times = [
        "2026-01-31T23:59:59Z",
        "2026-02-01T00:00:00Z",
        "2026-02-28T23:59:59Z",
        "2026-03-01T00:00:00Z",
        "2027-01-01",
    ]
    source = {**configuration().source.model_dump(), "window_days": 28}
    run = refresh(home, configuration(source=source), [event(f"at {time}", time=time) for time in times])
    assert sorted(run.read("queries")["query"].to_pylist()) == [f"at {times[1]}", f"at {times[2]}"]
    metrics = run.require("ingest")["metrics"]
    assert (metrics["log_rows"], metrics["log_rows_outside_window"], metrics["log_rows_usable"]) == (5, 3, 2)


def test_rows_without_a_click_can_be_kept_as_queries_without_a_pair(home: Path, configuration: Make) -> None:
    source = {**configuration().source.model_dump(), "unclicked": "keep"}
    run = refresh(home, configuration(source=source), [event(), event("new thing", None), event("other", "  ")])
    assert sorted(run.read("queries")["query"].to_pylist()) == ["how to sort", "new thing", "other"]
    assert run.read("pairs")["query"].to_pylist() == ["how to sort"]


def test_names_are_mapped_and_clicks_and_labels_are_taken(home: Path, configuration: Make) -> None:
    source = configuration().source.model_dump()
    source["columns"] = {"event_time": "ts", "query": "q", "document_id": "doc", "clicks": "n", "label": "intent"}
    rows = [
        {"ts": TIME, "q": "a", "doc": "d1", "n": 5, "intent": "x"},
        {"ts": TIME, "q": "a", "doc": "d1", "n": "2", "intent": "x"},
        {"ts": TIME, "q": "a", "doc": "d1", "n": 0, "intent": "x"},
        {"ts": TIME, "q": "a", "doc": "d1", "n": "many", "intent": "x"},
        {"ts": TIME, "q": "a", "doc": "d1", "n": -1, "intent": "x"},
    ]
    run = refresh(home, configuration(source=source), rows)
    assert run.read("queries").to_pylist()[0]["count"] == 7
    assert run.read("queries").to_pylist()[0]["label"] == "x"
    assert rejected(run) == Counter({"malformed_clicks": 3})


def test_documents_without_id_or_text_or_with_the_id_of_another_are_rejected(home: Path, configuration: Make) -> None:
    documents = [
        *DOCUMENTS,
        {"document_id": "d1", "title": "Two", "text": "again"},
        {"document_id": None, "title": "x", "text": "x"},
        {"document_id": "d3", "title": "x", "text": "  "},
    ]
    run = refresh(home, configuration(), [event(), event("other", "d3")], documents)
    assert sorted(run.read("documents")["document_id"].to_pylist()) == ["d1", "d2"]
    assert {row["text"] for row in run.read("documents").to_pylist() if row["document_id"] == "d1"} == {"first"}
    assert rejected(run) == Counter(
        {"duplicate_document_id": 1, "null_document_id": 1, "empty_document": 1, "unknown_document": 1}
    )


def test_csv_and_parquet_give_the_same_tables_as_jsonl(home: Path, configuration: Make) -> None:
    rows = [event("with, comma"), event('with "quote"'), event("line\nbreak"), event("plain", "d2")]
    digests = []
    for format_ in ("jsonl", "csv", "parquet"):
        path = home / f"log.{format_}"
        home.mkdir(exist_ok=True)
        if format_ == "jsonl":
            write_jsonl(path, rows)
        elif format_ == "csv":
            with open(path, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        else:
            moments = [datetime.fromisoformat(row["event_time"]) for row in rows]
            table = pa.table({name: [row[name] for row in rows] for name in rows[0]})
            pq.write_table(table.set_column(0, "event_time", pa.array(moments, pa.timestamp("us"))), path)
        write_jsonl(home / "d.jsonl", DOCUMENTS)
        source = {**configuration().source.model_dump(), "path": path.name, "format": format_}
        run = Run(configuration(retriever=format_, source=source), INTERVAL)
        perform(run, "ingest", ingest, source_files(run))
        digests.append({table: run.digest(table) for table in ("queries", "pairs", "documents", "rejected")})
    assert digests[0] == digests[1] == digests[2]


def test_a_csv_line_with_another_number_of_fields_is_rejected(home: Path, configuration: Make) -> None:
    home.mkdir()
    (home / "log.csv").write_text(f"event_time,query,document_id\n{TIME},good,d1\n{TIME},bad,d1,extra\n")
    write_jsonl(home / "d.jsonl", DOCUMENTS)
    source = {**configuration().source.model_dump(), "path": "log.csv", "format": "csv"}
    run = Run(configuration(source=source), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    assert rejected(run) == Counter({"malformed_row": 1})
    assert run.read("queries")["query"].to_pylist() == ["good"]


def test_a_beir_folder_is_read_with_its_unlabelled_queries(home: Path, configuration: Make) -> None:
    folder = home / "beir"
    write_jsonl(
        folder / "corpus.jsonl", [{"_id": "d1", "title": "", "text": "first"}, {"_id": "d2", "title": "t", "text": "x"}]
    )
    write_jsonl(folder / "queries.jsonl", [{"_id": "1", "text": "one"}, {"_id": "2", "text": "two"}])
    write_jsonl(folder / "unlabelled_queries.jsonl", [{"_id": "u", "text": "nobody clicked"}])
    (folder / "qrels").mkdir()
    (folder / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n1\td1\t1\n2\td2\t0\n2\td9\t1\n7\td1\t1\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n2\td2\t1\n")
    run = Run(configuration(source={"kind": "beir", "path": "beir"}), INTERVAL)
    perform(run, "ingest", ingest, source_files(run))
    assert sorted(run.read("queries")["query"].to_pylist()) == ["nobody clicked", "one"]
    assert [(row["query"], row["document_id"]) for row in run.read("pairs").to_pylist()] == [("one", "d1")]
    assert rejected(run) == Counter({"unknown_document": 1, "null_query": 1})
    named = Run(configuration(source={"kind": "beir", "path": "beir", "qrels": ["test.tsv"]}), INTERVAL)
    perform(named, "ingest", ingest, source_files(named))
    assert [(row["query"], row["document_id"]) for row in named.read("pairs").to_pylist()] == [("two", "d2")]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [event(None), event("x", "d9")],
            r"none of the 2 rows of the query log can be used: null_query 1, unknown_document 1",
        ),
        ([event(time="2020-01-01")], r"(?s)none is in the window.*window_days"),
        ([{"time": TIME, "query": "x", "document_id": "d1"}], r"(?s)'event_time' are missing.*source.columns"),
    ],
)
def test_input_that_cannot_be_used_is_refused_and_leaves_nothing(
    home: Path, configuration: Make, rows: list[Any], expected: str
) -> None:
    with pytest.raises(InputError, match=expected):
        refresh(home, configuration(), rows)
    left = {path.name for path in (home / "runs" / "shop" / INTERVAL.name).iterdir()}
    assert left == {".lock", "configuration.json"}


def test_an_empty_log_is_refused(home: Path, configuration: Make) -> None:
    with pytest.raises(InputError, match="none of the 0 rows of the query log"):
        refresh(home, configuration(), [""])


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("nowhere.parquet", None, "there is no such file"),
        ("torn.parquet", b"PAR1 torn", "is not readable Parquet"),
        ("empty", "folder", "has no parquet file"),
    ],
)
def test_a_missing_or_unreadable_file_is_refused(
    home: Path, configuration: Make, path: str, content: Any, expected: str
) -> None:
    write_jsonl(home / "d.jsonl", DOCUMENTS)
    if content == "folder":
        (home / path).mkdir()
    elif content is not None:
        (home / path).write_bytes(content)
    source = {**configuration().source.model_dump(), "path": path, "format": "parquet"}
    run = Run(configuration(source=source), INTERVAL)
    with pytest.raises(SynAlignError, match=expected):
        perform(run, "ingest", ingest, source_files(run))
    assert run.manifest("ingest") is None


def test_a_task_that_fails_is_not_blamed_on_the_input(
    home: Path, configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(frame: Any, *_: Any, **__: Any) -> None:
        def fail(_: Any) -> Any:
            raise OSError("storage does not answer")

        frame.mapInArrow(fail, "rows long").collect()

    monkeypatch.setattr("synalign.steps.ingest.write_table", write)
    with pytest.raises(StorageError, match="storage does not answer"):
        refresh(home, configuration(), [event()])


def test_two_ingests_of_one_log_are_byte_identical(home: Path, configuration: Make) -> None:
    rows = [event(f"query {number % 50}", f"d{1 + number % 2}") for number in range(400)]
    first = refresh(home, configuration(), rows)
    second = refresh(home, configuration(retriever="again"), list(reversed(rows)))
    for table in ("queries", "pairs", "documents", "rejected"):
        assert first.digest(table) == second.digest(table), table
