"""Which failures are tried again: by cause, with longer and longer waits, also after a person cleared the task."""

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction

from synalign import errors
from synalign.orchestration import retries
from synalign.orchestration.operators import JobFailed

MINUTE = timedelta(minutes=1)


def decisions(error: BaseException, start: int = 0) -> list[timedelta | None]:
    """Waits before each retry of a task that always fails so; Airflow calls with what it counts."""
    waits, most = [], start + retries.MOST
    for number in range(start + 1, most + 2):
        decision = retries.ByCause().evaluate(error, number, most)
        assert decision.reason
        if decision.action is RetryAction.FAIL:
            break
        waits.append(decision.retry_delay)
    return waits


@pytest.mark.parametrize("kind", [errors.ConfigurationError, errors.InputError, errors.RunError, errors.SetupError])
def test_what_no_time_mends_is_never_tried_again(kind: type[errors.SynAlignError]) -> None:
    assert decisions(JobFailed("x", kind.exit_code)) == []
    assert decisions(kind("x")) == []


@pytest.mark.parametrize(
    ("kind", "minutes"),
    [
        (errors.BusyError, [2, 4, 8, 16]),
        (errors.GenerationError, [5, 10, 20, 40]),
        (errors.RegistryError, [1, 2, 4, 8]),
        (errors.StorageError, [2, 4, 8, 16]),
    ],
)
def test_what_time_may_mend_is_tried_again_less_and_less_often(
    kind: type[errors.SynAlignError], minutes: list[int]
) -> None:
    assert decisions(JobFailed("x", kind.exit_code)) == [MINUTE * count for count in minutes]
    assert retries.in_words(kind.exit_code) == f"tried again after {', '.join(map(str, minutes))} min"


@pytest.mark.parametrize("error", [JobFailed("killed"), JobFailed("x", 1), RuntimeError("x"), KeyError("x")])
def test_what_says_nothing_is_tried_some_times(error: BaseException) -> None:
    assert decisions(error) == [MINUTE, 2 * MINUTE, 4 * MINUTE]


def test_a_task_that_was_cleared_has_all_its_tries_again() -> None:
    busy = JobFailed("x", errors.BusyError.exit_code)
    assert decisions(busy, start=3) == decisions(busy)


def test_a_cause_may_change_between_tries() -> None:
    policy = retries.ByCause()
    assert policy.evaluate(JobFailed("x", 7), 1, retries.MOST).action is RetryAction.RETRY
    assert policy.evaluate(JobFailed("x", 2), 2, retries.MOST).action is RetryAction.FAIL


def test_every_kind_of_error_has_a_rule() -> None:
    kinds = {kind.exit_code for kind in errors.SynAlignError.__subclasses__()}
    assert kinds == {entry.code for entry in errors.EXIT_CODES}
