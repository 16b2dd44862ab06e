"""What carried queries are held against: only of the documents and queries that were asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from synalign.errors import RunError
from synalign.pool.splits import split_of
from synalign.pool.today import as_ingested, of_run
from synalign.tables import content_id
from tests.pool.world import DOCUMENTS, QUERIES, Day, night, run_of, settings

IDS = [content_id(query) for query in QUERIES]


def test_documents_are_known_by_what_they_say() -> None:
    run = night(run_of(0), until="ingest")
    today = of_run(run, {"d1", "nowhere"}, set())
    assert today.documents == {"d1": content_id("d1", DOCUMENTS["d1"])}
    assert today.held_out == frozenset()


def test_queries_that_judge_are_those_of_the_table_and_only_those_asked_about() -> None:
    run = night(run_of(0), until="ingest")
    asked = set(IDS[:30]) | {"not of this log"}
    judging = {name for name in IDS[:30] if split_of(name, run.configuration.ingest) != "train"}
    assert judging
    assert of_run(run, set(), asked).held_out == judging


def test_an_interval_ingested_with_another_salt_is_split_by_todays() -> None:
    run = night(run_of(0), until="ingest")
    other = settings(ingest={"split_salt": "another"})
    today = as_ingested(other, run.folder, {"d1"}, set(IDS))
    assert today.held_out == {name for name in IDS if split_of(name, other.ingest) != "train"}
    assert today.held_out != of_run(run, set(), set(IDS)).held_out
    assert today.documents == of_run(run, {"d1"}, set()).documents
    with pytest.raises(RunError, match="other settings"):
        of_run(run_of(0, other), {"d1"}, set())


def test_an_empty_log_judges_nothing_and_an_unfinished_one_is_an_error(home: Path) -> None:
    run = night(run_of(0), Day(queries=(), documents={}), until="ingest")
    assert of_run(run, {"d1"}, set(IDS))[1:3] == ({}, frozenset())
    with pytest.raises(RunError, match="not finished"):
        of_run(run_of(1), {"d1"}, set())
    with pytest.raises(RunError, match="not finished"):
        as_ingested(settings(), run_of(1).folder, {"d1"}, set())


def test_versions_are_those_of_both_requests() -> None:
    run = night(run_of(0), until="generate")
    assert of_run(run, set(), set()).prompt_versions == set(run.read("requests")["prompt_version"].to_pylist())
