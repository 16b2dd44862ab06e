"""Run a file of `jobs/`: parse arguments, do one step or reuse it, say how it went, set the exit code."""

from __future__ import annotations

import argparse
import errno
import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from synalign import flow, installed, masking, retriever_files
from synalign.config import overrides
from synalign.errors import StorageError, SynAlignError
from synalign.processes import interruption
from synalign.run import Attempt, Interval, Run
from synalign.run.waiting import Waiting
from synalign.steps import lineage, outcome, outcome_store, telemetry

log = logging.getLogger("synalign")

if not installed.runs_jobs():
    # Every job imports this module before Spark and the rest.
    installed.explain_imports()

# Begins every line that is meant for people: the others come from Spark and the libraries.
MARK = "synalign | "

_LAST_LINE = re.compile(
    r"^\s*(?:OSError: (?:\[Errno (?P<number>\d+)\])?|(?:Timeout|Connection\w*|synalign\.errors\.Storage)Error:).*$",
    re.MULTILINE,
)
# The last two: what a mounted folder says that cannot lock.
_LACKING = {
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.ENOLCK, errno.EOPNOTSUPP,
}  # fmt: skip

LONGEST_PAUSE = 60.0
"""Seconds between two looks of `--wait`, at most; the first pause is two."""


def main(name: str) -> None:
    """Run a job from the command line; the last line of standard output is a summary as JSON.

    The function of its name in `synalign/steps/` does the step. Where that file has a function `outside`, too, it gives
    what the step reads from outside the run, name to digest. A step that is not finished has `waiting` in its summary;
    `--wait` runs it until it is.

    Args:
        name: The step it does unless `--step` names another of the same job.
    """
    step = flow.step(name)
    module = import_module(f"synalign.steps.{step.job}")
    work: Callable[[Attempt], Waiting | None] = getattr(module, step.job)
    outside: Callable[[Run], dict[str, str]] = getattr(module, "outside", lambda run: {})
    arguments = _parser(step).parse_args()

    def finish() -> dict[str, Any]:
        configuration = retriever_files.load(arguments.config, overrides.from_environment())
        run = Run(configuration, Interval.parse(arguments.start, arguments.end))

        def look() -> dict[str, Any]:
            with (
                telemetry.measured(run, arguments.step) as measured,
                lineage.told(run, arguments.step, lambda: outside(run)) as step,
            ):
                step.summary = measured.summary = perform(run, arguments.step, work, step.outside)
            return step.summary

        summary = look()
        pause = 2.0
        while "waiting" in summary and arguments.wait:
            time.sleep(pause)
            pause = min(LONGEST_PAUSE, 2.0 * pause)
            summary = look()
        return summary

    conclude(finish)


def conclude(work: Callable[[], dict[str, Any]]) -> None:
    """Do the work of a job, print its summary as the last line, and set the exit code.

    Args:
        work: Gives the summary; an error of ours ends the job with its message and its exit code.
    """
    # What a job says is kept where many can read it.
    masking.mask_logs()
    masking.show_masked_tracebacks()
    logging.basicConfig(level=logging.WARNING, format=f"{MARK}%(levelname)s %(message)s")
    log.setLevel(logging.INFO)
    # Airflow and people end jobs with SIGTERM (`interruption`); unwinding lets the attempt clean up. SIGKILL is
    # survived too.
    outcome_store.forget()
    try:
        summary = _with_packages(work)
    except SynAlignError as error:
        if interruption.code_of(error) is not None:
            raise
        outcome_store.say(outcome.failure(error))
        for line in f"{type(error).__name__}: {error}".splitlines():
            sys.stderr.write(f"{MARK}{line}\n")
        sys.exit(error.exit_code)
    outcome_store.say(outcome.Outcome(summary))
    sys.stdout.write(json.dumps(summary, sort_keys=True) + "\n")
    sys.stdout.flush()


def _with_packages(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what the work gives.

    Raises:
        SetupError: A package is missing where one is imported late.
    """
    try:
        return work()
    except ImportError as error:
        problem = installed.lacking()
        if problem is None:
            raise
        raise problem from error


def perform(
    run: Run, step: str, work: Callable[[Attempt], Waiting | None], outside: dict[str, str] | None = None
) -> dict[str, Any]:
    """Do one step of a run, or reuse it when what it was made from is unchanged.

    Returns:
        What a person wants to know of it: step, whether it was reused, rows, metrics as far as they are short,
        seconds; or, when it is not finished, the step and what it is `waiting` for.

    Raises:
        SynAlignError: The step failed; the run folder is as it was before.
    """
    with _storage_may_fail(), run.lock() as hold:
        attempt = Attempt(run, flow.step(step), outside)
        if attempt.finished is not None and not attempt.step.always:
            log.info("%s: reused, nothing it depends on has changed", step)
            return _summary(attempt.finished, reused=True)
        log.info("%s: started", step)
        attempt.begin(hold)
        try:
            waiting = work(attempt)
            if waiting is not None:
                attempt.abandon()
                log.info("%s: waiting for %s", step, ", ".join(waiting.batches))
                return {"step": step, "waiting": waiting.named()}
            manifest = attempt.commit(hold)
        except BaseException:
            _abandon(attempt)
            raise
    log.info("%s: done in %.1f s", step, manifest["seconds"])
    return _summary(manifest, reused=manifest["attempt"] != attempt.folder.name)


def _abandon(attempt: Attempt) -> None:
    """Remove what a failed step wrote; a failure to do so must not hide the step's own error."""
    try:
        attempt.abandon()
    except OSError as error:
        log.info("%s is not removed, which the next attempt does: %s", attempt.folder, error)


@contextmanager
def _storage_may_fail() -> Iterator[None]:
    """Tell what a disk or object storage could not do, which time may mend, from a fault in SynAlign.

    Raises:
        StorageError: It could not.
    """
    try:
        yield
    except Exception as error:
        lack = _lack(error) if isinstance(error, OSError) else _lack_in_a_task(error)
        if not lack:
            raise
        raise StorageError(
            f"storage failed: {lack}.",
            cause="the disk is full, a mounted folder cannot lock files, or object storage cannot be reached",
            remedy="mend that and run the step again; finished steps and answers so far are kept",
        ) from error


def _lack(error: OSError) -> str:
    """Return what storage lacks for the moment; empty where a file is missing or damaged, which no time mends."""
    # What object storage refuses has no number.
    refused = error.errno is None and type(error) in (OSError, PermissionError)
    lacks = refused or error.errno in _LACKING or isinstance(error, TimeoutError | ConnectionError)
    return str(error) if lacks else ""


def _lack_in_a_task(error: Exception) -> str:
    """Return what storage lacked in a task on a Spark worker, of which only the traceback comes here."""
    found = _LAST_LINE.search(str(error)) if type(error).__name__ == "PythonException" else None
    lacks = found is not None and (found["number"] is None or int(found["number"]) in _LACKING)
    return found[0].strip() if found is not None and lacks else ""


def _summary(manifest: dict[str, Any], *, reused: bool) -> dict[str, Any]:
    """Return what is kept in Airflow's database: figures, never data."""
    return outcome.short(
        {
            "step": manifest["step"],
            "reused": reused,
            "rows": {table: content["rows"] for table, content in manifest["tables"].items()},
            "metrics": manifest["metrics"],
            "seconds": manifest["seconds"],
        }
    )


def _parser(step: flow.Step) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=step.purpose)
    parser.add_argument("--config", required=True, help="the retriever's YAML file")
    parser.add_argument("--start", required=True, help="start of the data interval, ISO 8601, inclusive")
    parser.add_argument("--end", required=True, help="end of the data interval, ISO 8601, exclusive")
    steps = [other.name for other in flow.STEPS if other.job == step.job]
    parser.add_argument("--step", default=step.name, choices=steps, help="which step (default: %(default)s)")
    if step.waits:
        parser.add_argument(
            "--wait", action="store_true",
            help="wait until the provider's batches have ended (generation.mode: batch); without it the job ends at "
            "once, says what it waits for, and goes on when it is run again",
        )  # fmt: skip
    else:
        parser.set_defaults(wait=False)
    return parser
