"""Which failures of a task are worth another try, and when: by cause, not by count.

A wrong configuration fails the same way however often it is read; a model endpoint that refuses may not. Imported by
DAG files: nothing heavier than Airflow.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, NamedTuple

from airflow.sdk import RetryDecision, RetryPolicy

from synalign import errors


class Patience(NamedTuple):
    """How often a kind of failure is tried again.

    Attributes:
        times: Tries after the first.
        first: Wait before the first of them; each later one is twice as long.
        reason: One clause for people.
    """

    times: int
    first: timedelta
    reason: str


NEVER = {
    errors.ConfigurationError.exit_code: "the configuration is wrong, and would be the next time",
    errors.InputError.exit_code: "the log or the documents cannot be used as they are",
    errors.RunError.exit_code: "the run's folder is not in the state that this step needs",
    errors.SetupError.exit_code: "the machine lacks something",
}
"""Exit codes that no time mends, with the reason."""

LATER = {
    errors.BusyError.exit_code: Patience(4, timedelta(minutes=2), "another process works on this interval"),
    errors.GenerationError.exit_code: Patience(4, timedelta(minutes=5), "the model endpoint may recover"),
    errors.RegistryError.exit_code: Patience(4, timedelta(minutes=1), "MLflow may come back"),
    errors.StorageError.exit_code: Patience(4, timedelta(minutes=2), "the disk may be emptied, storage may come back"),
}
"""Exit codes that time may mend."""

OTHERWISE = Patience(3, timedelta(minutes=1), "it may have been the machine")
"""For all that says nothing: a job that was killed, a worker that was lost, a mistake in the code. More than once: in a
bad night one job may lose its driver and then its executors."""

# A person at a terminal mends and starts again; nobody waits for half an hour there.
MOST = int(os.environ.get("SYNALIGN_RETRIES", max(patience.times for patience in LATER.values())))


class ByCause(RetryPolicy):
    """Tries again as often as the cause deserves; causes are told by `exit_code` of what was raised."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> RetryDecision:
        """What to do after a failure.

        Args:
            exception: What the task raised.
            try_number: Number of this try, from 1; it goes on counting when a person clears the task.
            max_tries: Number of the last retry: clearing a task raises it by the retries that it has.
            context: Airflow's context; not looked at.
        """
        code = getattr(exception, "exit_code", None)
        if code in NEVER:
            return RetryDecision.fail(f"Not tried again: {NEVER[code]}.")
        patience = LATER.get(code, OTHERWISE) if isinstance(code, int) else OTHERWISE
        done = try_number - (max_tries - MOST)
        if done > min(patience.times, MOST):
            return RetryDecision.fail(f"Not tried again: this was try {done}.")
        delay = patience.first * 2 ** (done - 1)
        return RetryDecision.retry(delay, f"Tried again in {delay}: {patience.reason}.")


def in_words(exit_code: int) -> str:
    """What happens after a failure with that exit code, for the pages of tasks."""
    if exit_code in NEVER:
        return "not tried again"
    patience = LATER.get(exit_code, OTHERWISE)
    waits = [int((patience.first * 2**nth).total_seconds()) // 60 for nth in range(patience.times)]
    return f"tried again after {', '.join(map(str, waits))} min"


DEFAULTS: dict[str, Any] = {
    "retries": MOST,
    "retry_policy": ByCause(),
    # Where the policy is not asked, because the worker is gone.
    "retry_delay": OTHERWISE.first,
    "retry_exponential_backoff": 2.0,
}
"""Default arguments of every task."""
