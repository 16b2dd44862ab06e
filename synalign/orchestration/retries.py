"""Which failures of a task are worth another try, and when: by cause, not by count.

A wrong configuration fails the same way however often it is read; a model endpoint that refuses may not. Imported by
DAG files: nothing heavier than Airflow.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from synalign.config import Configuration
from synalign.errors import EXIT_CODES, OTHERWISE, exit_code
from synalign.orchestration import alerts
from synalign.orchestration.versions import BACKOFF, RetryDecision, RetryPolicy

# A person at a terminal mends and starts again; nobody waits for half an hour there.
MOST = int(os.environ.get("SYNALIGN_RETRIES", max(entry.tries for entry in EXIT_CODES)))


class ByCause(RetryPolicy or object):  # type: ignore[misc]
    """Tries again as often as the cause deserves; causes are told by `exit_code` of what was raised."""

    def evaluate(self, exception: BaseException, try_number: int, max_tries: int, context: Any = None) -> Any:
        """Decide what to do after a failure.

        Args:
            exception: What the task raised.
            try_number: Number of this try, from 1; it goes on counting when a person clears the task.
            max_tries: Number of the last retry: clearing a task raises it by the retries that it has.
            context: Airflow's context; not looked at.
        """
        entry = exit_code(getattr(exception, "exit_code", None))
        if not entry.tries:
            return RetryDecision.fail(f"Not tried again: {entry.because}.")
        done = try_number - (max_tries - MOST)
        if done > min(entry.tries, MOST):
            return RetryDecision.fail(f"Not tried again: this was try {done}.")
        delay = timedelta(minutes=entry.minutes) * 2 ** (done - 1)
        return RetryDecision.retry(delay, f"Tried again in {delay}: {entry.because}.")


DEFAULTS: dict[str, Any] = {
    "retries": MOST,
    # An older Airflow tries again by count; what no time mends ends the task all the same (`JobFailedForGood`).
    **({"retry_policy": ByCause()} if RetryPolicy is not None else {}),
    # Where the policy is not asked, because the worker is gone.
    "retry_delay": timedelta(minutes=OTHERWISE.minutes),
    "retry_exponential_backoff": BACKOFF,
}
"""What every task is tried again by."""


def defaults(configuration: Configuration) -> dict[str, Any]:
    """Return the default arguments of every task of a retriever's DAGs: owner, alerts and retries."""
    failures = [alerts.Failure(notifier) for notifier in configuration.alerts.notifiers]
    return {"owner": configuration.owner, "on_failure_callback": failures, **DEFAULTS}
