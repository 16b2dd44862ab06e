"""The store: plans are kept once, never changed, never two at once; hand-made damage is found."""

import json
import multiprocessing
import os
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from synalign.errors import ArgumentError, RunError
from synalign.experiment import ExperimentPlan, store

Make = Callable[..., ExperimentPlan]
AT = datetime(2026, 3, 10, 12, tzinfo=UTC)


def test_a_started_plan_is_kept_byte_for_byte(plan: Make, home: Path) -> None:
    made = plan()
    place = store.start(made)
    assert place == store.folder(made) == home / "experiments" / "shop" / "first"
    assert (place / "plan.json").read_bytes() == made.canonical
    assert store.plan("shop", "first") == made
    assert store.start(made) == place
    assert sorted(os.listdir(place)) == ["plan.json", "plan.json.sha256"]
    subprocess.run(["sha256sum", "--check", "plan.json.sha256"], cwd=place, check=True, capture_output=True)


def test_a_start_that_was_killed_is_completed_even_by_another_plan(plan: Make) -> None:
    place = store.start(plan())
    (place / "plan.json").unlink()
    other = plan(hypothesis="Another one.")
    store.start(other)
    assert store.plan("shop", "first") == other


def test_a_started_plan_cannot_change_a_change_is_a_new_plan_that_names_it(plan: Make) -> None:
    store.start(plan())
    with pytest.raises(RunError, match="cannot change") as error:
        store.start(plan(hypothesis="Another one."))
    assert "replaces: first" in error.value.remedy
    assert store.plan("shop", "first") == plan()
    changed = plan(id="second", replaces="first", hypothesis="Another one.", start="2026-03-10", stop="2026-03-31")
    with pytest.raises(RunError, match="two at once"):
        store.start(changed)
    store.end(plan(), "a change", AT)
    store.start(changed)
    assert store.started("shop") == ["first", "second"]


def test_what_it_replaces_must_be_there(plan: Make) -> None:
    with pytest.raises(RunError, match="replaces == 'nothing'"):
        store.start(plan(replaces="nothing"))
    assert store.started("shop") == []


@pytest.mark.parametrize(
    ("start", "stop", "free"),
    [("2026-01-01", "2026-02-28", True), ("2026-03-31", "2026-04-20", True), ("2026-03-30", "2026-04-20", False),
     ("2026-02-01", "2026-03-01", False), ("2026-03-10", "2026-03-12", False)],
)  # fmt: skip
def test_two_experiments_of_a_retriever_never_run_at_once(plan: Make, start: str, stop: str, free: bool) -> None:
    store.start(plan())
    other = plan(id="other", start=start, stop=stop)
    store.start(plan(id="other", retriever="news"))
    if free:
        store.start(other)
    else:
        with pytest.raises(RunError, match="two at once"):
            store.check(other)
        with pytest.raises(RunError, match="two at once"):
            store.start(other)


def test_running_is_what_ran_on_the_whole_of_a_day(plan: Make) -> None:
    made = plan()
    store.start(made)
    days = [date(2026, 2, 28), made.start, date(2026, 3, 9), date(2026, 3, 10), made.stop, date(2026, 3, 31)]
    assert [store.running("shop", day) is not None for day in days] == [False, True, True, True, True, False]
    # 01:00 on the 10th in Berlin is still the 9th in UTC: what counts is the UTC day.
    store.end(made, "enough", datetime(2026, 3, 10, 0, 30, tzinfo=timezone(timedelta(hours=1))))
    assert [store.running("shop", day) is not None for day in days] == [False, True, False, False, False, False]
    assert store.running("nothing", made.start) is None


def test_the_first_end_stays(plan: Make) -> None:
    made = plan()
    store.start(made)
    assert store.ended(made) is None
    first = store.end(made, "no difference", AT)
    assert store.end(made, "another reason", AT + timedelta(days=1)) == first == store.ended(made)
    assert first == store.End("no difference", AT)


def test_an_end_needs_a_reason_a_time_zone_and_a_started_experiment(plan: Make) -> None:
    with pytest.raises(RunError, match="has not started"):
        store.end(plan(), "why", AT)
    store.start(plan())
    with pytest.raises(RunError, match="cannot change"):
        store.end(plan(power=0.9), "why", AT)
    with pytest.raises(ArgumentError, match="time zone"):
        store.end(plan(), "why", datetime(2026, 3, 10))
    with pytest.raises(ArgumentError, match="must not be empty"):
        store.end(plan(), " ", AT)
    assert store.ended(plan()) is None


def test_a_plan_changed_by_hand_is_found(plan: Make) -> None:
    made = plan()
    file = store.start(made) / "plan.json"
    for damaged in (
        made.canonical.replace(b'"alpha": 0.05', b'"alpha": 0.06'),
        made.canonical.replace(b'"power": 0.8', b'"power": 0.8000001'),
        made.canonical.rstrip(),
        plan(id="other").canonical,
    ):
        file.write_bytes(damaged)
        with pytest.raises(RunError, match=r"plan\.json is not the plan"):
            store.plan("shop", "first")
    file.write_bytes(b"{")
    with pytest.raises(RunError, match=r"plan\.json is not the plan"):
        store.running("shop", made.start)


def test_an_end_that_cannot_be_read_is_told(plan: Make) -> None:
    made = plan()
    (store.start(made) / "ended.json").write_text(json.dumps({"reason": "x"}))
    with pytest.raises(RunError, match=r"ended\.json cannot be read"):
        store.running("shop", made.start)


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "", "a\0b"])
def test_a_name_never_leads_out_of_the_store(name: str) -> None:
    with pytest.raises((ArgumentError, RunError)):
        store.plan(name, "first")
    with pytest.raises((ArgumentError, RunError)):
        store.plan("shop", name)


def test_an_unknown_experiment_names_those_there_are(plan: Make) -> None:
    store.start(plan())
    with pytest.raises(RunError, match="there are: first"):
        store.plan("shop", "frist")


def _start(plan: ExperimentPlan, results: "multiprocessing.Queue[str]") -> None:
    try:
        store.start(plan)
        results.put(plan.id)
    except RunError:
        results.put("")


def test_of_many_started_at_once_one_wins(plan: Make) -> None:
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[str] = context.Queue()
    racing = [context.Process(target=_start, args=(plan(id=f"plan-{number}"), results)) for number in range(4)]
    for process in racing:
        process.start()
    winners = [winner for _ in racing if (winner := results.get(timeout=60))]
    for process in racing:
        process.join()
    assert winners == store.started("shop") and len(winners) == 1
