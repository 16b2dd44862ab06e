"""When an interval may look at those before it; that it does wait in a real backfill is for tests/production."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import TaskDeferred

from synalign.orchestration import turn
from synalign.orchestration.alerts import WATCHED

RUN = "scheduled__2026-02-27"


class Airflow:
    """What Airflow's supervisor answers about one run."""

    def __init__(self, run: str, **tasks: str | None) -> None:
        self.run, self.tasks, self.asked = run, tasks, 0
        self.running, self.waiting = 1, 0

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        assert (dag_id, run_id) == ("refresh__shop", RUN)
        self.asked += 1
        return self.run

    def get_dr_count(self, dag_id: str, states: list[str]) -> int:
        assert (dag_id, states) == ("refresh__shop", ["running"])
        return self.running

    def get_ti_count(self, dag_id: str, task_ids: list[str], states: list[str]) -> int:
        assert (dag_id, task_ids, states) == ("refresh__shop", ["turn"], ["deferred"])
        return self.waiting

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, Any]:
        assert task_ids == ["turn", "align"]
        # Airflow leaves out what has no state yet.
        return {run: {task: state for task, state in self.tasks.items() if state} for run in run_ids if self.tasks}


@pytest.mark.parametrize(
    ("run", "turn_", "align", "settled"),
    [
        ("running", "success", "success", True),
        ("queued", None, None, False),
        ("running", "success", "running", False),
        ("running", "success", "up_for_retry", False),
        # What it would have shown will not come: later ones go on without it.
        ("running", "success", "failed", True),
        ("running", "success", "upstream_failed", True),
        ("failed", "success", "upstream_failed", True),
        ("success", "success", "success", True),
        # It has failed early, but one before it has not weighed yet: that one counts too.
        ("running", "deferred", "upstream_failed", False),
        ("running", "running", None, False),
    ],
)
def test_a_run_is_settled_when_nothing_to_remember_can_come_of_it_or_of_those_before(
    monkeypatch: pytest.MonkeyPatch, run: str, turn_: str | None, align: str | None, settled: bool
) -> None:
    monkeypatch.setattr(turn, "RuntimeTaskInstance", Airflow(run, turn=turn_, align=align))
    assert turn.settled("refresh__shop", RUN, "align") is settled


def operator() -> turn.TurnOperator:
    from airflow.sdk import DAG

    with DAG("refresh__shop", schedule=None):
        return turn.TurnOperator(task_id=turn.TASK, until="align")


def context(before: str | None) -> dict[str, Any]:
    run = SimpleNamespace(run_id=before) if before else None
    return {"ti": SimpleNamespace(get_previous_dagrun=lambda: run)}


def test_the_first_interval_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    operator().execute(context(None))


def test_it_waits_in_the_triggerer_and_not_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow("running", turn="success", align="running")
    monkeypatch.setattr(turn, "RuntimeTaskInstance", airflow)
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute(context(RUN))
    path, kept = deferred.value.trigger.serialize()
    assert path == "synalign.orchestration.turn.TurnTrigger"
    assert kept == {
        "dag": "refresh__shop",
        "run": RUN,
        "until": "align",
        "pause": turn.PAUSE,
        "patience": turn.PATIENCE,
    }

    async def fire() -> Any:
        trigger = turn.TurnTrigger(**{**kept, "pause": 0.01})
        events = trigger.run()
        waiting = asyncio.ensure_future(anext(events))
        while airflow.asked < 4:
            await asyncio.sleep(0.01)
        assert not waiting.done()
        airflow.tasks["align"] = "success"
        return (await asyncio.wait_for(waiting, 10)).payload

    assert asyncio.run(fire()) == {"settled": RUN}


def test_a_refresh_at_a_terminal_waits_for_no_run_that_was_ended_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WATCHED, "1")
    monkeypatch.setattr(turn, "RuntimeTaskInstance", Airflow("running"))
    operator().execute(context(RUN))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "running", "waiting", "expected"),
    [
        # A backfill backwards: both slots are held by runs that wait for the ones queued before them.
        ("queued", 2, 2, "stuck"),
        # A later run waits for the earlier of two that were cleared, which has no slot.
        ("queued", 1, 1, "stuck"),
        # The nightly run waits for a long backfill, of which others are at work: its turn will come.
        ("queued", 3, 1, None),
        ("running", 1, 1, None),
    ],
)
def test_a_run_that_cannot_start_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, state: str, running: int, waiting: int, expected: str | None
) -> None:
    airflow = Airflow(state)
    airflow.running, airflow.waiting = running, waiting
    monkeypatch.setattr(turn, "RuntimeTaskInstance", airflow)

    async def fire() -> Any:
        trigger = turn.TurnTrigger("refresh__shop", RUN, "align", pause=0.01, patience=0.2)
        try:
            return (await asyncio.wait_for(anext(trigger.run()), 2)).payload
        except TimeoutError:
            return {}

    assert asyncio.run(fire()) == ({expected: RUN} if expected else {})


def test_one_that_starts_in_time_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    airflow = Airflow("queued")
    airflow.running = airflow.waiting = 1
    monkeypatch.setattr(turn, "RuntimeTaskInstance", airflow)

    async def fire() -> Any:
        waiting = asyncio.ensure_future(anext(turn.TurnTrigger("refresh__shop", RUN, "align", 0.01, 3600.0).run()))
        while airflow.asked < 4:
            await asyncio.sleep(0.01)
        airflow.run, airflow.running = "running", 2
        airflow.tasks = {"turn": "success", "align": "success"}
        return (await asyncio.wait_for(waiting, 10)).payload

    assert asyncio.run(fire()) == {"settled": RUN}


def test_going_on_without_it_is_told_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    operator().resume({}, {"stuck": RUN})
    assert f"{RUN} is queued and cannot start" in capsys.readouterr().out
