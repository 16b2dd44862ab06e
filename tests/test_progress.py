"""How far a step is: lines in its log, events for a command that draws them, silence where nobody asks."""

import json
import logging
import threading
from types import SimpleNamespace

import pytest

from synalign import progress
from synalign.arrays.tally import Tally
from synalign.progress import Advance, Event


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test."""
    now = [100.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_line_comes_every_five_seconds_and_none_for_quick_work(
    clock: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    with caplog.at_level(logging.INFO, "synalign"), progress.progress("embed", 100, "rows") as advance:
        for second in range(1, 14):
            clock[0] = 100.0 + second
            advance(7)
    assert caplog.messages == [
        "embed: 14 of 100 rows, 7.0 rows/s, about 12 s left",
        "embed: 49 of 100 rows, 7.0 rows/s, about 7 s left",
        "embed: 84 of 100 rows, 7.0 rows/s, about 2 s left",
    ]
    caplog.clear()
    with caplog.at_level(logging.INFO, "synalign"), progress.progress("embed", 100, "rows") as advance:
        clock[0] += 1.9
        advance(100)
    assert caplog.messages == []


def test_what_took_no_work_says_nothing_about_the_rate(clock: list[float]) -> None:
    shown: list[Event] = []
    advance = Advance("generate", 100, "requests", shown.append)
    clock[0] += 10.0
    advance(50, free=True)
    assert (shown[-1].rate, shown[-1].left) == (None, None)
    advance(5)
    assert (shown[-1].done, shown[-1].rate, shown[-1].left) == (55, 0.5, 90.0)
    advance.note = "1.20 USD spent"
    assert advance.line() == "generate: 55 of 100 requests, 1.20 USD spent, 0.50 requests/s, about 1 min 30 s left"


def test_getting_ready_says_nothing_about_the_rate(clock: list[float]) -> None:
    shown: list[Event] = []
    advance = Advance("embed", 100, "rows", shown.append)
    clock[0] += 60.0
    advance(10)
    assert (shown[-1].rate, shown[-1].left) == (10 / 60, 540.0)
    clock[0] += 1.0
    advance(10)
    assert (shown[-1].rate, shown[-1].left) == (10.0, 8.0)


def test_without_a_total_there_is_no_time_left(clock: list[float]) -> None:
    advance = Advance("align", None, "steps of the solver", None)
    shown = Advance("align", None, "steps of the solver", lambda event: None)
    clock[0] += 2.0
    advance(60)
    shown(60)
    assert shown.line() == "align: 60 steps of the solver, 30 steps/s"
    # Nobody listens, so nothing is counted.
    assert advance.line() == "align: 0 steps of the solver"


def test_events_are_marked_lines_that_survive_a_log_around_them(
    clock: list[float], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(progress.VARIABLE, "json")
    with progress.progress("embed", 100, "rows") as advance:
        advance(1)
        clock[0] += 1.0
        advance(9)
        clock[0] += 0.1
        advance(10)
    written = capfd.readouterr().err.splitlines()
    events = [
        Event.read(f"2026-11-21T15:45:18Z [info     ] {line} [airflow.task.hooks.Hook] loc=a.py:1") for line in written
    ]
    assert [(event.done, event.ended) for event in events if event] == [(10, False), (20, True)]
    assert events[0] == Event("embed", "rows", 10, 100, 9.0, 1.0)


@pytest.mark.parametrize(
    "line",
    [
        "synalign | INFO embed: started",
        f"{progress.MARK}no json",
        f"{progress.MARK}{json.dumps({'step': 'embed'})}",
        f"{progress.MARK}{json.dumps({**Event('a', 'b', 1, 2, 3.0, 4.0)._asdict(), 'done': 'many'})}",
        f"{progress.MARK}[1, 2]",
    ],
)
def test_a_line_that_holds_no_event_is_none(line: str) -> None:
    assert Event.read(line) is None


def test_nothing_is_shown_where_nobody_wants_it(
    clock: list[float],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(progress.VARIABLE, "none")
    with caplog.at_level(logging.INFO, "synalign"), progress.progress("embed", 100, "rows") as advance:
        clock[0] += 60.0
        advance(50)
    assert (caplog.messages, *capfd.readouterr()) == ([], "", "")


def test_phases_are_shown_one_after_the_other_and_never_go_back(
    clock: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    with caplog.at_level(logging.INFO, "synalign"), progress.phases("sample") as report:
        report("rows compared", 0, 8)
        clock[0] += 4.0
        report("rows compared", 6, 8)
        report("rows compared", 4, 8)
        report("batches", 0, 3)
        clock[0] += 4.0
        report("batches", 1, 3)
    assert caplog.messages == [
        "sample: 6 of 8 rows compared, 1.5 rows/s, about 1 s left",
        "sample: 1 of 3 batches, 0.25 batches/s, about 8 s left",
    ]


def test_counts_from_many_threads_are_all_counted_and_only_grow() -> None:
    heard: list[int] = []
    tally = Tally(lambda what, done, total: heard.append(done), "rows", 8000)

    def count() -> None:
        for _ in range(1000):
            tally.add()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == list(range(1, 8001))


def test_the_first_of_many_promises_nothing(clock: list[float]) -> None:
    shown: list[Event] = []
    advance = Advance("embed", 1000, "texts", shown.append)
    clock[0] += 30.0
    advance(1)
    assert (shown[-1].rate, shown[-1].left) == (None, None)
    clock[0] += 1.0
    advance(99)
    assert (shown[-1].rate, shown[-1].left) == (99.0, 900 / 99)


def test_the_same_is_not_said_again_and_again(
    clock: list[float], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(progress.VARIABLE, raising=False)
    with caplog.at_level(logging.INFO, "synalign"), progress.progress("embed", 100, "texts") as advance:
        for _ in range(60):
            clock[0] += 1.0
            advance(0)
        advance(50)
    assert caplog.messages == ["embed: 0 of 100 texts"] * 2 + ["embed: 50 of 100 texts, 0.83 texts/s, about 1 min left"]
