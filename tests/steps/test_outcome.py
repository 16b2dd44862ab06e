"""What a job leaves for whoever started it: small, without data, and its error in its own words."""

import json
from pathlib import Path

import pytest

from synalign.errors import GenerationError
from synalign.steps import outcome


def test_a_summary_comes_back_as_it_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with outcome.place() as file:
        monkeypatch.setenv(outcome.VARIABLE, str(file))
        outcome.say(outcome.Outcome({"step": "embed", "rows": {"queries": 3}}))
        assert outcome.read(file) == outcome.Outcome({"step": "embed", "rows": {"queries": 3}})
    assert not file.parent.exists()


def test_an_error_comes_back_with_cause_remedy_and_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with outcome.place() as file:
        monkeypatch.setenv(outcome.VARIABLE, str(file))
        outcome.say(outcome.failure(GenerationError("no answer.", cause="a wrong key", remedy="set the key")))
        found = outcome.read(file)
    assert (found.summary, found.error, found.exit_code) == (None, "GenerationError", 6)
    assert found.message.splitlines() == ["no answer.", "Likely cause: a wrong key", "What to do: set the key"]


def test_a_job_that_nobody_watches_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(outcome.VARIABLE, raising=False)
    outcome.say(outcome.Outcome({}))
    # On another machine the folder is not there.
    monkeypatch.setenv(outcome.VARIABLE, str(tmp_path / "elsewhere" / "outcome.json"))
    outcome.say(outcome.Outcome({}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "", "{", "[1, 2]", '{"unknown": 1}'])
def test_a_job_that_was_killed_said_nothing(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "outcome.json").write_text(content)
    assert outcome.read(tmp_path / "outcome.json") == outcome.Outcome()


def test_no_query_and_no_document_is_in_a_summary() -> None:
    text = "why does my dishwasher leak"
    metrics = {
        "accepted": 3,
        "rejected": {"leak": 1},
        "examples": {"leak": [{"query": text, "document_id": "d1"}]},
        "ledger": {"examples": [text], "returned": 4},
        "queries": [{"query": text}],
        "batches": [text] * 40,
    }
    kept = outcome.short({"step": "screen", "metrics": metrics})
    assert kept == {"step": "screen", "metrics": {"accepted": 3, "rejected": {"leak": 1}, "ledger": {"returned": 4}}}


def test_no_text_that_a_model_or_a_user_wrote_is_in_a_summary_under_any_name() -> None:
    text = "why does my dishwasher leak"
    metrics = {
        "attribute_coverage": {"form": {"seen": 0.5}, "not_measurable": {text: 2}},
        "first_query": text,
        "labels": [text],
        "nested": {"label": text, "share": 0.25},
        "model": "gpt-x",
        "failures": ["effective share 0.05 is below 0.1"],
    }
    assert outcome.short({"step": "generate", "metrics": metrics})["metrics"] == {
        "attribute_coverage": {"form": {"seen": 0.5}},
        "nested": {"share": 0.25},
        "model": "gpt-x",
        "failures": ["effective share 0.05 is below 0.1"],
    }


def test_what_was_empty_stays_and_what_was_emptied_goes() -> None:
    metrics = {"invalid": {}, "deep": {"a": {"b": {"c": {"d": 1}}}}}
    assert outcome.short({"metrics": metrics})["metrics"] == {"invalid": {}}


def test_a_summary_is_bounded_and_says_what_it_left_out() -> None:
    metrics = {"scheme": "aligned", "arms": {f"arm {nth}": nth / 7 for nth in range(500)}, "reason": "x" * 10_000}
    kept = outcome.short({"step": "evaluate", "metrics": metrics, "seconds": 1.5})
    assert len(json.dumps(kept).encode()) <= outcome.MOST_BYTES
    assert kept["left_out"] == ["arms"]
    assert kept["metrics"]["scheme"] == "aligned"
    assert len(kept["metrics"]["reason"]) == outcome.LONGEST_TEXT


def test_failed_checks_reach_the_summary_whole() -> None:
    failures = ("effective share 0.05 is below 0.1", "gate: it lost")
    assert outcome.short({"metrics": {"failures": failures}})["metrics"]["failures"] == list(failures)


def test_an_address_is_never_cut() -> None:
    place = "s3://bucket/" + "folder/" * 60
    found = outcome.short({"step": "register", "metrics": {"location": place, "reason": "a" * 400}})
    assert found["metrics"]["location"] == place
    assert found["metrics"]["reason"].endswith("...")
