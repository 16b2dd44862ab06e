"""A sample of a source's data, read by real Spark: what is found in it, and what says that it cannot be used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.config import Configuration
from synalign.doctor import sample
from synalign.errors import InputError
from synalign.text.normal import normalise
from tests.doctor.looking import DOCUMENTS, INTERVAL, about, event, lines, looked, text_of
from tests.embedding.foreign import made

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")


def test_a_log_is_shown_as_a_refresh_would_understand_it(home: Path, configuration: Make) -> None:
    rows = [
        event(),
        event("  e3  on washing machine ", "kb-203", "2026-02-28T09:13:02Z"),
        event("old", "kb-17", "2025-02-28T09:13:02Z"),
        event("gone", "kb-99"),
        event(None),
        event("bell\x07"),
        '{"query": "torn',
    ]
    found = looked(home, configuration(), rows)
    assert found["columns"] == {
        "query log": ["event_time", "query", "document_id"], "documents": ["document_id", "title", "text"],
    }  # fmt: skip
    assert found["said"][0].startswith("query log: 1 file, jsonl, utf-8, times are ISO 8601")
    # The torn line has no time.
    assert found["rows"] == {"rows": 7, "inside": 5, "usable": 2}
    assert (found["whole"], found["sample"]) == (True, "all rows of the log")
    first, second, _ = found["examples"]
    assert first == {
        "time": "2026-02-28 09:13", "query": "e3 on washing machine", "document_id": "kb-203",
        "document": "E3: the pump is too hot.", "clicks": 1, "rejected": None, "inside": True,
    }  # fmt: skip
    assert second["document"] == "Cleaning the dishwasher"
    assert found["window"] == {
        "interval": ["2026-02-28 03:00", "2026-03-01 03:00"], "days": 28, "from": "2026-02-01 03:00",
        "to": "2026-03-01 03:00", "first": "2025-02-28 09:13", "last": "2026-02-28 09:13",
    }  # fmt: skip
    assert (found["ids"]["rows"], found["ids"]["joined"], found["ids"]["unknown"]) == (6, 5, "kb-99")
    rules = {one["rule"]: one for one in found["rejected"]}
    assert set(rules) == {"unknown_document", "null_query", "control_characters", "malformed_row"}
    assert json.loads(rules["unknown_document"]["example"]) == event("gone", "kb-99")
    assert found["encoder"]["queries"]["unknown_tokens"] == 0
    assert (found["problems"], found["warnings"]) == ([], [])
    assert json.loads(json.dumps(found)) == found
    text = text_of(found)
    for said in ("e3 on washing machine", "kb-203 (E3: the pump", "2026-02-01 03:00 to 2026-03-01 03:00 UTC", "5 of 6",
                 "not there: 'kb-99'", "does not know 0.0% of the tokens", "null_query, the query is missing",
                 "the data can be used: 2 of 7 rows are usable"):  # fmt: skip
        assert said in " ".join(text.split()), said
    assert "\x07" not in text
    assert max(map(len, text_of(found, 60).splitlines())) <= 60


def test_a_folder_of_beir_and_texts_with_labels_are_looked_into(home: Path, configuration: Make) -> None:
    lines(home / "beir" / "corpus.jsonl", [{"_id": "1", "text": "clean the filter"}, {"_id": "2", "text": "pump"}])
    lines(home / "beir" / "queries.jsonl", [{"_id": "q1", "text": "filter dirty"}, {"_id": "q2", "text": "hot pump"}])
    (home / "beir" / "qrels").mkdir()
    (home / "beir" / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq1\t1\t1\nq2\t2\t0\nq2\t9\t1\n")
    found = sample.look(configuration(source={"kind": "beir", "path": "beir"}), INTERVAL)
    assert found["window"] is None
    assert found["rows"]["usable"] == 1
    assert (found["ids"]["joined"], found["ids"]["unknown"]) == (2, "9")
    assert found["problems"] == []
    assert "a BEIR folder" in text_of(found)

    (home / "texts.csv").write_text("text,label\nwhere is my card,card_arrival\nlost it,card_lost\n,card_lost\n")
    source = {"kind": "labelled", "path": "texts.csv"}
    found = sample.look(configuration(task="classification", source=source), INTERVAL)
    assert found["rows"] == {"rows": 3, "inside": 3, "usable": 2}
    assert {row["document"] for row in found["examples"]} <= {"card arrival", "card lost"}
    assert [one["rule"] for one in found["rejected"]] == ["empty_query"] or found["rejected"][0]["rule"] == "null_query"
    assert found["problems"] == []


def test_a_log_outside_the_window_names_both_ends_of_both_and_a_date(home: Path, configuration: Make) -> None:
    found = looked(home, configuration(), [event(time="2025-06-01T10:00:00"), event(time="2025-06-03T11:30:00")])
    assert about(found) == ["window"]
    text = found["problems"][0]["text"]
    assert "the window is 2026-02-01 03:00 to 2026-03-01 03:00 UTC (28 days up to the end of the interval)" in text
    assert "the log's times go from 2025-06-01 10:00 to 2025-06-03 11:30 UTC: all of it is earlier" in text
    assert "--date 2025-06-04" in found["problems"][0]["remedy"]
    assert "source.window_days to 271 or more" in found["problems"][0]["remedy"]
    later = looked(home, configuration(), [event(time="2027-06-01T10:00:00")])
    assert "all of it is later" in later["problems"][0]["text"]


def test_ids_that_do_not_join_are_a_problem_with_an_example(home: Path, configuration: Make) -> None:
    found = looked(home, configuration(), [event(document="KB-17"), event("x", "KB-203")])
    assert about(found) == ["rows"]
    assert found["ids"]["share"] == 0
    assert "the document is not in the collection" in found["problems"][0]["text"]
    assert "in lower case: 'kb-17' for 'KB-17'" in " ".join(found["ids"]["hint"])
    assert "in lower case" in text_of(found, 200)


@pytest.mark.parametrize(("language", "problems"), [("Thai", ["encoder"]), ("Chinese", ["encoder"]), ("Russian", [])])
def test_a_language_that_the_encoder_does_not_know_is_shown_with_examples(
    language: str, problems: list[str], home: Path, configuration: Make
) -> None:
    found = looked(home, configuration(), [event(query) for query in made(language)])
    assert about(found) == problems
    if problems:
        assert found["encoder"]["queries"]["examples"][0] in map(normalise, made(language))
        assert "cannot read the queries" in found["problems"][0]["text"]
        assert "set encoder.model" in text_of(found, 200)
    else:
        assert "letter by letter" in found["warnings"][0]


def test_documents_of_which_none_can_be_used_are_a_problem(home: Path, configuration: Make) -> None:
    found = looked(home, configuration(), [event()], [{"document_id": "kb-17", "title": "", "text": " "}])
    assert "documents" in about(found)
    assert any(one["table"] == "documents" and one["rule"] == "empty_document" for one in found["rejected"])


def test_files_that_cannot_be_read_are_an_input_error(home: Path, configuration: Make) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        sample.look(configuration(), INTERVAL)
    with pytest.raises(InputError, match=r"columns 'event_time', 'query', 'document_id' are missing; it has 'ts', 'q'"):
        looked(home, configuration(), [{"ts": "2026-02-28T09:00:00Z", "q": "a", "doc": "0"}])
    (home / "log" / "a.jsonl").write_bytes(b"PAR1 and not Parquet")
    with pytest.raises(InputError):
        sample.look(configuration(), INTERVAL)


def test_large_input_is_sampled_from_the_first_to_the_last_file(
    home: Path, configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(sample, "MOST_FILES", 4)
    monkeypatch.setattr(sample, "MOST_ROWS", 12)
    for day in range(1, 29):
        rows = [event(f"query {day} {row}", time=f"2026-02-{day:02}T10:00:00Z") for row in range(50)]
        if day % 2:
            lines(home / "log" / f"{day:02}.jsonl", rows)
        else:
            lines(home / "log" / f"{day:02}.jsonl", rows[:40])
    lines(home / "d.jsonl", DOCUMENTS)
    found = sample.look(configuration(), INTERVAL)
    assert (found["whole"], found["sample"]) == (False, "the first 3 rows of 4 of 28 files")
    assert found["rows"] == {"rows": 12, "inside": 12, "usable": 12}
    assert (found["window"]["first"], found["window"]["last"]) == ("2026-02-01 10:00", "2026-02-28 10:00")


def test_one_large_file_is_sampled_at_its_beginning(
    home: Path, configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(sample, "MOST_ROWS", 7)
    log = [event(f"query {row}") for row in range(500)]
    home.mkdir()
    pq.write_table(pa.Table.from_pylist(log), home / "log.parquet")
    pq.write_table(pa.Table.from_pylist(DOCUMENTS), home / "d.parquet")
    source = {"kind": "log", "path": "log.parquet", "documents": {"path": "d.parquet"}}
    found = sample.look(configuration(source=source), INTERVAL)
    assert (found["rows"]["rows"], found["sample"]) == (7, "the first 7 rows of the file")


def test_user_behavior_insights_are_shown_with_the_query_of_each_click(home: Path, configuration: Make) -> None:
    where = {"object": {"object_id": "kb-17"}, "position": {"ordinal": 1}}
    time = "2026-02-28T09:12:44Z"
    lines(home / "events.jsonl", [
        {"action_name": "click", "query_id": "1", "timestamp": time, "event_attributes": where},
        {"action_name": "hover", "query_id": "1", "timestamp": time, "event_attributes": where},
    ])  # fmt: skip
    searches = [{"query_id": str(number), "timestamp": time, "user_query": f"search {number}"} for number in (1, 2)]
    lines(home / "queries.jsonl", searches)
    lines(home / "d.jsonl", DOCUMENTS)
    source = {
        "kind": "ubi", "path": "events.jsonl", "queries": {"path": "queries.jsonl"}, "unclicked": "keep",
        "documents": {"path": "d.jsonl", "format": "jsonl"},
    }  # fmt: skip
    found = sample.look(configuration(source=source), INTERVAL)
    assert {one["query"]: one["document"] for one in found["examples"] if one["inside"]} == {
        "search 1": "Cleaning the dishwasher", "search 2": None,
    }  # fmt: skip
    assert found["rows"] == {"rows": 3, "inside": 2, "usable": 2}
    assert set(found["columns"]) == {"query log", "searches", "documents"}
    assert text_of(found).startswith("shop: User Behavior Insights and the documents")
    assert found["problems"] == []
