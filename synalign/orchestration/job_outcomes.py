"""How the job of a task ended, in its own words: from a file of this machine, or from where a driver elsewhere left it.

Imported by DAG files: nothing heavier than Airflow. What talks to object storage is a process of the jobs' Python.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow.exceptions import AirflowException, AirflowFailException

from synalign.errors import exit_code as exit_code_entry
from synalign.orchestration.versions import RetryPolicy
from synalign.steps import outcome
from synalign.steps.outcome import Outcome

log = logging.getLogger(__name__)

PYTHON = os.environ.get("SYNALIGN_PYTHON", sys.executable)
"""The jobs' Python. Set by the deployment; where Airflow and the jobs share one environment it is this very one."""

LONGEST_LOG = 2000
"""Characters of another program's words that an error repeats."""

SECONDS = 120.0
"""That storage has to give an outcome: a job that ended is not failed for it, so nobody waits longer."""

_READER = "synalign.steps.outcome_store"


class JobFailed(AirflowException):
    """A job failed, and said why where it could.

    Args:
        message: Its own words.
        exit_code: That of the error of ours that ended it; None: it was killed, or ended in another way.
    """

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class JobFailedForGood(JobFailed, AirflowFailException):
    """A job failed for a cause that no time mends, under an Airflow that is not told so by `retries.ByCause`."""


def failure(message: str, exit_code: int | None = None) -> JobFailed:
    """Return the error of a task whose job failed.

    Args:
        message: The job's own words.
        exit_code: That of the error of ours that ended it.
    """
    for_good = RetryPolicy is None and not exit_code_entry(exit_code).tries
    return (JobFailedForGood if for_good else JobFailed)(message, exit_code)


def template(store: str) -> str:
    """Return where the job of a task says how it ended: below a store, a template of Airflow's.

    The same for each try: one that connects again to a job still running finds what that job will say.

    Examples:
        >>> template("s3://bucket/store/")
        's3://bucket/store/outcomes/{{ ti.dag_id }}/{{ ti.run_id }}/{{ ti.task_id }}.json'
    """
    return f"{store.rstrip('/')}/{outcome.FOLDER}/{{{{ ti.dag_id }}}}/{{{{ ti.run_id }}}}/{{{{ ti.task_id }}}}.json"


def taken(address: str) -> Outcome:
    """Return the outcome at an address, and remove it; an empty one where there is none, or none to be read."""
    if not address:
        return Outcome()
    if "://" not in address:
        ended = outcome.read(Path(address))
        Path(address).unlink(missing_ok=True)
        return ended
    text = _reader("read", address)
    _reader("remove", address)
    try:
        return Outcome(**json.loads(text))
    except (ValueError, TypeError):
        return Outcome()


def _reader(action: str, address: str) -> str:
    command = [PYTHON, "-m", _READER, action, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.warning("%s: cannot %s how the job ended: %s", address, action, error)
        return ""
    if done.returncode != 0:
        log.warning("%s: cannot %s how the job ended: %s", address, action, done.stderr[-LONGEST_LOG:])
    return done.stdout


@contextmanager
def in_the_jobs_words(read: Callable[[], Outcome]) -> Iterator[None]:
    """Turn the failure of what ran a job into that of the job.

    Args:
        read: Gives how the job ended, once it has.

    Raises:
        JobFailed: With the error that ended the job; or, where it said nothing, with the words of what ran it.
    """
    try:
        yield
    except Exception as error:
        ended = read()
        if ended.exit_code is None:
            if not isinstance(error, AirflowException):
                # A server that was away, or an operator that was called wrongly: no job failed.
                raise
            raise JobFailed(f"The job ended without saying why; its log may. {str(error)[:LONGEST_LOG]}") from error
        # What ran the job has nothing to add.
        raise failure(f"{ended.error}: {ended.message}", ended.exit_code) from None
