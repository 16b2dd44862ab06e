"""A sample of a source that no refresh has ingested: read by real Spark, as the step *ingest* understands its rows."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.errors import ConfigurationError, InputError, SetupError
from synalign.preview import reading
from synalign.tables import content_id, schema
from tests.doctor.looking import DOCUMENTS, INTERVAL, event, lines

Make = Callable[..., Configuration]
FILE = Path("shop.yaml")


def written(home: Path, configuration: Configuration, folder: Path, rows: list[Any]) -> dict[str, Any]:
    lines(home / "log" / "a.jsonl", rows)
    lines(home / "d.jsonl", DOCUMENTS)
    return reading.write(configuration, INTERVAL, folder)


@pytest.mark.usefixtures("spark")
def test_rows_become_queries_documents_and_pairs(home: Path, configuration: Make, tmp_path: Path) -> None:
    rows = [
        event(),
        event("  Dishwasher   smells "),
        event("e3 <b>washer</b>", "kb-203"),
        event("old", time="2025-02-28T09:13:02Z"),
        event("gone", "kb-99"),
        event(None),
    ]
    said = written(home, configuration(), tmp_path, rows)
    assert said == {"said": "all rows of the log", "whole": True}
    found = reading.kept(tmp_path, FILE, **said)
    queries = {row["query"]: row for row in found.queries.to_pylist()}
    assert set(queries) == {"dishwasher smells", "Dishwasher smells", "e3 <b>washer</b>"}
    assert queries["e3 <b>washer</b>"]["query_id"] == content_id("e3 <b>washer</b>")
    assert {(row["query"], row["document_id"]) for row in found.pairs.to_pylist()} == {
        ("dishwasher smells", "kb-17"), ("Dishwasher smells", "kb-17"), ("e3 <b>washer</b>", "kb-203"),
    }  # fmt: skip
    assert sorted(found.documents.to_pylist(), key=str) == sorted(DOCUMENTS, key=str)
    for name in ("queries", "documents", "pairs"):
        assert getattr(found, name).schema.names == schema(name).names


@pytest.mark.usefixtures("spark")
def test_of_many_rows_some_are_taken_with_documents_that_nobody_chose(
    home: Path, configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "QUERIES", 4)
    monkeypatch.setattr(reading, "DOCUMENTS", 2)
    many = [{"document_id": f"d{n}", "title": "", "text": f"Page {n}."} for n in range(8)]
    lines(home / "log" / "a.jsonl", [event(f"query {n}", f"d{n % 4}") for n in range(20)])
    lines(home / "d.jsonl", many)
    said = reading.write(configuration(), INTERVAL, tmp_path)
    assert not said["whole"]
    found = reading.kept(tmp_path, FILE, **said)
    assert (len(found.queries), len(found.documents)) == (4, 2)
    assert set(found.pairs["document_id"].to_pylist()) <= set(found.documents["document_id"].to_pylist())


@pytest.mark.usefixtures("spark")
def test_a_log_of_which_no_row_can_be_used_says_where_to_look(home: Path, configuration: Make, tmp_path: Path) -> None:
    said = written(home, configuration(), tmp_path, [event(None), event("gone", "kb-99")])
    with pytest.raises(InputError, match="no row of the query log of the sample can be used") as raised:
        reading.kept(tmp_path, FILE, **said)
    assert "synalign check --data shop.yaml" in raised.value.remedy


@pytest.mark.slow
def test_an_error_of_the_process_is_raised_as_its_own_kind(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        reading.read(tmp_path / "none.yaml", INTERVAL, tmp_path)


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (subprocess.CompletedProcess([], 1, stdout="", stderr="Killed\nOutOfMemoryError: heap\n"), "OutOfMemoryError"),
        (subprocess.CompletedProcess([], 1, stdout="noise\n", stderr=""), "no reason given"),
        (subprocess.TimeoutExpired([], 600), "not read within 600 s"),
    ],
)
def test_a_process_that_ends_without_a_result_is_told(
    ended: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: Any, **named: Any) -> Any:
        if isinstance(ended, Exception):
            raise ended
        return ended

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(SetupError, match=said) as raised:
        reading.read(FILE, INTERVAL, tmp_path)
    assert "synalign doctor shop.yaml" in raised.value.remedy
