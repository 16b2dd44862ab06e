"""A source's data looked into by real Spark: what is shown, and what says that it cannot be used."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from rich.console import Console
from typer.testing import CliRunner

from synalign import retriever_files
from synalign.cli import application
from synalign.config import Configuration, Schedule
from synalign.doctor import Case, Finding, data, data_page, sample
from synalign.doctor.data import usual_interval
from synalign.errors import ConfigurationError, InputError
from synalign.local import demo_data
from synalign.run import Interval
from synalign.text.normal import normalise
from tests.embedding.foreign import made

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28T03:00", "2026-03-01T03:00")
DOCUMENTS = [
    {"document_id": "kb-17", "title": "Cleaning the dishwasher", "text": "Take out the filter."},
    {"document_id": "kb-203", "title": "", "text": "E3: the pump is too hot."},
]


def lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))


def event(
    query: Any = "dishwasher smells", document: Any = "kb-17", time: str = "2026-02-28T09:12:44Z"
) -> dict[str, Any]:
    return {"event_time": time, "query": query, "document_id": document}


def looked(
    home: Path, configuration: Configuration, rows: list[Any], documents: list[Any] = DOCUMENTS
) -> dict[str, Any]:
    lines(home / "log" / "a.jsonl", rows)
    lines(home / "d.jsonl", documents)
    return sample.look(configuration, INTERVAL)


def text_of(found: dict[str, Any], width: int = 100) -> str:
    out = io.StringIO()
    data_page.show(found, Console(file=out, width=width))
    return out.getvalue()


def about(found: dict[str, Any]) -> list[str]:
    return [problem["about"] for problem in found["problems"]]


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


def test_what_a_log_says_moves_no_cursor(home: Path, configuration: Make) -> None:
    found = looked(home, configuration(), [event(), event("[red]x[/red] \x1b[31mred", "kb-\x1b[2J")])
    text = text_of(found)
    assert "\x1b" not in text
    assert "[red]x[/red]" in text


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


def test_without_a_date_it_is_the_last_interval_that_is_over_or_the_first_there_will_be() -> None:
    over = usual_interval(Schedule(start=date(2026, 1, 1)), None)
    assert over.end.hour == 3
    first = usual_interval(Schedule(start=date(2090, 1, 1), cron="0 * * * *"), None)
    assert first == Interval.parse("2090-01-01T00:00", "2090-01-01T01:00")
    with pytest.raises(ConfigurationError, match="must not be in the future"):
        usual_interval(Schedule(start=date(2026, 1, 1)), "2090-01-01")


def called(*arguments: object) -> Result:
    return CliRunner().invoke(application, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


SHOP = """
retriever: shop
schedule: {start: 2026-01-01}
source: {kind: log, path: data/demo/query_log.parquet, documents: {path: data/demo/documents.parquet}}
"""


def test_check_shows_people_and_tells_programs_what_it_found(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo_data.make(home / "data" / "demo", events=500)
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    shown = called("check", file, "--data", "--date", "2026-03-01")
    assert shown.exit_code == 0
    assert "right; DAG refresh__shop" in shown.output
    assert "the data can be used" in shown.output
    # The other end of the process is the same; another one would start Java again.
    monkeypatch.setattr(data, "examine", lambda file, interval: sample.look(retriever_files.load(file), interval))
    file.write_text(SHOP.replace("documents:", "window_days: 7, documents:"))
    outside = called("check", file, "--data", "--date", "2026-06-01", "--json")
    assert outside.exit_code == InputError.exit_code == 3
    found = json.loads(outside.output)
    assert found["right"] is True
    assert about(found["data"]) == ["window"]


def test_check_says_at_once_what_is_wrong_with_file_or_date_or_path(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    assert isinstance(called("check", file, "--data").exception, InputError)
    as_json = called("check", file, "--data", "--json")
    assert as_json.exit_code == 3
    assert "no such file" in json.loads(as_json.output)["data"]["problems"][0]["text"]
    for arguments in (("--data", "--date", "2090-01-01"), ("--data", "--date", "soon"), ("--date", "2026-03-01")):
        assert isinstance(called("check", file, *arguments).exception, ConfigurationError)
    file.write_text(SHOP + "seed: x\n")
    assert isinstance(called("check", file, "--data").exception, ConfigurationError)
    assert called("check", file, "--data", "--json").exit_code == 2


def test_doctor_looks_into_the_data_of_a_file_and_not_at_the_date(
    home: Path, tmp_path: Path, configuration: Make, check: Callable[[str, Case], Finding],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    assert check("data", Case(configuration())).state == "skipped"
    missing = check("data", Case(configuration(), file))
    assert missing.state == "fail"
    assert "no such file" in missing.found
    demo_data.make(home / "data" / "demo", events=500)
    monkeypatch.setattr(data, "examine", lambda file, interval: sample.look(retriever_files.load(file), interval))
    there = check("data", Case(configuration(), file))
    assert there.state == "pass"
    assert "508 rows read (all rows of the log), 100% of the ids join" in there.found
