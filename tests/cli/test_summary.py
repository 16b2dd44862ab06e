"""What is shown after a refresh: a ledger that adds up before the reader's eyes."""

from collections.abc import Callable
from typing import Any

import pytest

from synalign import flow
from synalign.cli.summary import as_json, evaluation_lines, summarise
from synalign.config import Configuration
from synalign.errors import RunError
from synalign.run import Attempt, Interval, Run
from tests.handmade import table_of

METRICS: dict[str, dict[str, Any]] = {
    "ingest": {"log_rows": 100, "document_rows": 20},
    "carry": {"found": 60, "carried": 50, "left": {"retired": 7, "document_gone": 3}, "intervals": 4},
    "sample": {"batches": 3},
    "generate": {
        "model": "some-model",
        "ledger": {
            "asked_for": 1000,
            "accepted": 900,
            "rejected": {"refused": 12, "over_length": 3},
            "not_written": {"not_returned": 61, "over_budget": 24},
            "surplus": {"too_many": 7},
        },
    },
    "screen": {
        "candidates": 900,
        "accepted": 700,
        "rejected": {"personal_data": 1, "leak": 99, "near_duplicate": 100},
        "carried": {"candidates": 48, "accepted": 40, "rejected": {"leak": 8}, "written_again": 2},
    },
    "align": {
        "mmd2_before": 2e-2,
        "mmd2_after": 1e-2,
        "effective_sample_size": 5.0,
        "synthetic": 9,
        "document_effective_sample_size": 3.0,
        "documents": 4,
    },
    "evaluate": {
        "scheme": "aligned",
        "validated": True,
        "reason": "best of three",
        "gate": {"status": "passed", "reason": "no harm shown"},
        "test": {
            "control": {"ndcg_at_10": 0.5},
            "treatment": {"ndcg_at_10": 0.6},
            "treatment_minus_control": {"difference": 0.1, "lower": 0.05, "upper": 0.15, "queries": 40},
        },
    },
    "assemble": {"real_train_rows": 6, "synthetic_train_rows": 9},
    "register": {"location": "/somewhere", "model": "shop", "version": "1", "current": True, "failures": []},
    "report": {"url": "file:///somewhere/report.html"},
}


def finished(configuration: Configuration, **changed: dict[str, Any]) -> Run:
    run = Run(configuration, Interval.parse("2026-02-28", "2026-03-01"))
    for step in flow.STEPS:
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            attempt.write(table, table_of(run, table, {}))
        attempt.metrics = METRICS.get(step.name, {}) | changed.get(step.name, {})
        attempt.commit()
    return run


def test_the_ledger_is_shown_as_a_sum_that_adds_up(configuration: Callable[..., Configuration]) -> None:
    lines = summarise(finished(configuration()))
    first = next(row for row, line in enumerate(lines) if line.startswith("  wrote"))
    last = next(row for row, line in enumerate(lines) if line.endswith("asked for"))
    parts = [line.removeprefix("  wrote").split(maxsplit=1) for line in lines[first : last - 1]]
    assert [name for _, name in parts] == [
        "accepted", "rejected: refused", "rejected: over length", "rejected: personal data", "rejected: leak",
        "rejected: near duplicate", "not written: not returned", "not written: over budget",
    ]  # fmt: skip
    assert sum(int(count) for count, _ in parts) == int(lines[last].split()[0]) == 1000
    assert "(7  surplus: too many)" in lines[last + 1]


def test_carried_queries_are_a_sum_of_their_own_that_adds_up(configuration: Callable[..., Configuration]) -> None:
    lines = summarise(finished(configuration()))
    first = next(row for row, line in enumerate(lines) if line.startswith("  carried"))
    last = next(row for row, line in enumerate(lines) if line.endswith("found in earlier intervals"))
    parts = [line.removeprefix("  carried").split(maxsplit=1) for line in lines[first : last - 1]]
    assert parts == [
        ["40", "accepted"], ["2", "left behind: written again"], ["3", "left behind: document gone"],
        ["7", "left behind: retired"], ["8", "rejected: leak"],
    ]  # fmt: skip
    assert int(lines[last].split()[0]) == 60


def test_a_first_interval_says_nothing_of_carried_queries(configuration: Callable[..., Configuration]) -> None:
    nothing = {"candidates": 0, "accepted": 0, "rejected": {}, "written_again": 0}
    run = finished(
        configuration(), carry={"found": 0, "carried": 0, "left": {}, "intervals": 0}, screen={"carried": nothing}
    )
    assert not [line for line in summarise(run) if line.startswith("  carried")]
    assert as_json(run)["carried"]["found"] == 0


def test_carried_queries_that_do_not_add_up_are_an_error(configuration: Callable[..., Configuration]) -> None:
    with pytest.raises(RunError, match="carried queries does not add up: 61 were found"):
        summarise(finished(configuration(), carry={"found": 61}))


def test_what_retrievers_said_is_shown(configuration: Callable[..., Configuration]) -> None:
    lines = summarise(finished(configuration()))
    first = next(row for row, line in enumerate(lines) if line.startswith("  arms"))
    assert lines[first].endswith("weights aligned: best of three")
    assert "0.5000 with real pairs, 0.6000 with the set: +0.1000 [+0.0500, +0.1500]" in lines[first + 1]
    assert lines[first + 2].endswith("gate passed: no harm shown")


def test_figures_of_weights_that_were_not_chosen_say_so(configuration: Callable[..., Configuration]) -> None:
    chosen = METRICS["evaluate"] | {"scheme": "equal"}
    lines = summarise(finished(configuration(), evaluate=chosen))
    assert sum(line.endswith("; aligned weights, not chosen") for line in lines) == 2


def test_a_ledger_that_does_not_add_up_is_an_error(configuration: Callable[..., Configuration]) -> None:
    run = finished(configuration(), screen={"accepted": 701})
    with pytest.raises(RunError, match="does not add up: 1000 queries were asked for, but 701 accepted"):
        summarise(run)


def test_it_says_where_the_report_is(configuration: Callable[..., Configuration]) -> None:
    assert "  report file:///somewhere/report.html" in summarise(finished(configuration()))


def test_a_run_as_data_has_every_step_and_its_state(configuration: Callable[..., Configuration]) -> None:
    run = finished(configuration())
    whole = as_json(run)
    assert whole["finished"]
    assert whole["ledger"]["asked_for"] == 1000
    assert (whole["carried"]["found"], whole["carried"]["accepted"]) == (60, 40)
    assert {name: step["state"] for name, step in whole["steps"].items()} == {step.name: "done" for step in flow.STEPS}
    stale = as_json(Run(configuration(alignment={"ridge": 0.5}), run.interval))
    assert not stale["finished"]
    assert [name for name, step in stale["steps"].items() if step["state"] == "stale"] == [
        "align", "evaluate", "assemble", "register", "report"
    ]  # fmt: skip
    begun = as_json(Run(configuration(), Interval.parse("2026-03-01", "2026-03-02")))
    assert begun["ledger"] is None and begun["carried"] is None
    assert {step["state"] for step in begun["steps"].values()} == {"missing"}


def test_what_was_mined_and_who_taught_are_shown(configuration: Callable[..., Configuration]) -> None:
    mined = {"pairs": 10, "sources": {"bm25": 15, "encoder": 25}, "objections": {"chosen": 2, "too_near": 0}}
    taught = {"teacher": "cross_encoder", "pairs": 10, "objections": {"false_negative": 4}}
    lines = "\n".join(summarise(finished(configuration(), mine=mined, teach=taught)))
    assert "mined 40 hard negatives of 10 train pairs; refused: 2 chosen" in " ".join(lines.split())
    assert "teacher cross_encoder, which objects to 4 false negative" in lines
    assert "mined" not in "\n".join(summarise(finished(configuration())))
    assert "tokens" not in lines
    paid = {"requests": 50, "tokens": 5250, "money": 0.25, "currency": "USD", "not_scored": 0}
    lines = "\n".join(summarise(finished(configuration(), mine=mined, teach={**taught, **paid})))
    assert "teacher: 5,250 tokens, 0.25 USD, 50 requests\n" in lines
    lines = "\n".join(summarise(finished(configuration(), mine=mined, teach={**taught, **paid, "not_scored": 3})))
    assert "50 requests; 3 documents have no score" in lines


def test_a_classifier_is_told_in_accuracy() -> None:
    arms = {"control": {"accuracy": 0.75}, "treatment": {"accuracy": 0.875}}
    compared = {"difference": 0.125, "lower": 0.05, "upper": 0.2}
    content = {
        "measure": "accuracy", "scheme": "equal", "mass": 0.5, "reason": "better",
        "gate": {"status": "passed", "reason": "fine"}, "test": {**arms, "treatment_minus_control": compared},
    }  # fmt: skip
    assert evaluation_lines(content)[1] == (
        "test accuracy 0.7500 with real pairs, 0.8750 with the set: +0.1250 [+0.0500, +0.2000]"
    )
