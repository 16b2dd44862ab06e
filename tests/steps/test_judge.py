"""The judge in the step *screen*, behind a real server: who is asked, what is kept, what it costs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.errors import ConfigurationError, GenerationError
from synalign.run import Interval, Run
from synalign.steps import screen as step
from synalign.steps.job import perform
from synalign.steps.judge import journal_of
from synalign.steps.screen import screen
from tests.generation.judges import judging
from tests.screening.runs import reasons, run_with

Make = Callable[..., Configuration]
STRICT = {"round_trip_depth": 1, "near_duplicate_cosine": 0.999}
CANDIDATES = [
    ("good", 5.0, "d0"),
    ("irrelevant", 20.0, "d0"),
    ("of another document", 80.0, "d0"),
    ("of another one too", 85.0, "d0"),
    ("good", 25.0, "d0"),
    ("write to jane.roe@example.org", 15.0, "d0"),
]
PAIRS = (("shown", "d180"), ("held out", "d0"))


def with_judge(configuration: Make, url: str, **judge: Any) -> Configuration:
    own = {"endpoint": url, "model": "m", "api_key_variable": None, **judge}
    runtime = {"concurrency": 2, "attempts": 1, "timeout_seconds": 10}
    return configuration(screening={**STRICT, "judge": own}, runtime=runtime)


def grade(query: str, text: str) -> int:
    return 0 if query == "irrelevant" else 3


def test_only_what_no_filter_rejected_is_judged_and_two_small_samples(configuration: Make, home: Path) -> None:
    with judging(grade) as server:
        run = run_with(with_judge(configuration, server.url, sample=1), CANDIDATES, PAIRS)
        metrics = perform(run, "screen", screen)["metrics"]
    assert list(reasons(run).values()) == [
        None, "judged_irrelevant", "inconsistent", "inconsistent", "exact_duplicate", "personal_data",
    ]  # fmt: skip
    # Real pairs of train queries alone; of the lost candidates as many as the sample says.
    assert sorted(query for query, _ in server.pairs) == ["good", "irrelevant", "of another document", "shown"]
    assert run.read("screening")["score"].to_pylist()[:2] == [1.0, 0.0]
    assert metrics["rejected"]["judged_irrelevant"] == 1
    found = run.require("screen")["metrics"]["judge"]
    assert found["round_trip"] == {
        "found_accepted": 1, "found_rejected": 1, "not_found_accepted": 1, "not_found_rejected": 0, "agreement": 0.25,
    }  # fmt: skip
    assert found["clicks"] == {"accepted": 1, "rejected": 0, "share": 1.0}
    assert (found["requests"], found["tokens"], found["not_judged"]) == (4, 420, 0)


def test_a_pair_that_an_earlier_interval_judged_is_not_paid_again(
    configuration: Make, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with judging(grade) as server:
        made = with_judge(configuration, server.url)
        first = run_with(made, CANDIDATES, PAIRS)
        perform(first, "screen", screen)
        asked = len(server.pairs)
        monkeypatch.setattr("tests.screening.runs.INTERVAL", Interval.parse("2026-03-01", "2026-03-02"))
        later = run_with(made, [*CANDIDATES, ("fresh", 2.0, "d0")], PAIRS)
        assert journal_of(later) == journal_of(first)
        perform(later, "screen", screen)
        assert len(server.pairs) == asked + 1
    metrics = later.require("screen")["metrics"]["judge"]
    assert (metrics["journal_hits"], metrics["tokens"]) == (metrics["requests"] - 1, 105)


def test_requests_that_fail_leave_their_candidates(
    configuration: Make, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with judging(lambda query, _: "I cannot say" if query == "irrelevant" else 3) as server:
        run = run_with(with_judge(configuration, server.url), CANDIDATES, PAIRS)
        perform(run, "screen", screen)
    assert list(reasons(run).values())[:2] == [None, None]
    assert run.require("screen")["metrics"]["judge"]["not_judged"] == 1
    assert "1 candidates are kept without a grade" in caplog.text


def test_a_judge_that_nobody_reaches_fails_the_step_and_names_its_setting(configuration: Make, home: Path) -> None:
    run = run_with(with_judge(configuration, "http://127.0.0.1:9/v1"), CANDIDATES, PAIRS)
    with pytest.raises(GenerationError, match="the judge: nobody answers at") as error:
        perform(run, "screen", screen)
    assert "screening.judge.endpoint" in error.value.remedy and "generation." not in str(error.value)
    assert run.manifest("screen") is None


def test_a_key_that_is_missing_is_named_by_its_setting(configuration: Make, home: Path) -> None:
    run = run_with(with_judge(configuration, "http://127.0.0.1:9/v1", api_key_variable="NO_SUCH_KEY"), CANDIDATES)
    with pytest.raises(ConfigurationError, match=r"the judge: .*NO_SUCH_KEY is not set") as error:
        perform(run, "screen", screen)
    assert "screening.judge.api_key_variable" in error.value.remedy


def test_with_no_candidate_left_nobody_is_asked(configuration: Make, home: Path) -> None:
    with judging(grade) as server:
        run = run_with(with_judge(configuration, server.url), [("of another document", 80.0, "d0")], PAIRS)
        with pytest.raises(GenerationError, match="none of 1 written queries passed"):
            perform(run, "screen", screen)
        assert server.pairs == []


def digests(run: Run) -> dict[str, str]:
    return {name: table["digest"] for name, table in run.require("screen")["tables"].items()}


def test_a_judge_that_accepts_everything_changes_no_table(
    configuration: Make, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = run_with(configuration(screening=STRICT), CANDIDATES, PAIRS)
    perform(plain, "screen", screen)
    assert "judge" not in plain.require("screen")["metrics"]
    assert not Path(journal_of(plain)).exists()
    monkeypatch.setenv("SYNALIGN_HOME", str(home / "other"))
    with judging(lambda *_: 3) as server:
        judged = run_with(with_judge(configuration, server.url), CANDIDATES, PAIRS)
        perform(judged, "screen", screen)
    assert digests(judged) == digests(plain)


def test_without_a_judge_its_template_is_no_input_and_with_one_it_is(configuration: Make, home: Path) -> None:
    assert step.outside(run_with(configuration(), CANDIDATES)) == {}
    made = with_judge(configuration, "http://127.0.0.1:9/v1")
    assert list(step.outside(Run(made, run_with(configuration(), CANDIDATES).interval))) == ["prompts/judge"]
