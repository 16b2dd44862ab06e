"""What every file under `jobs/` does: parse arguments, run one step or reuse it, say how it went, set the exit code."""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Callable
from typing import Any

from synalign import flow, retrievers
from synalign.errors import SynAlignError
from synalign.run import Attempt, Interval, Run

log = logging.getLogger("synalign")

# Begins every line that is meant for people: the others come from Spark and the libraries.
MARK = "synalign | "


def main(
    default_step: str,
    work: Callable[[Attempt], None],
    *,
    outside: Callable[[Run], dict[str, str]] | None = None,
    always: bool = False,
) -> None:
    """Run a job from the command line; the last line of standard output is a summary as JSON.

    Args:
        default_step: The step it does unless `--step` names another.
        work: The function that does it.
        outside: What it reads from outside the run, name to digest.
        always: Never reuse it: what it does can be undone from outside, and doing it again is harmless.
    """
    logging.basicConfig(level=logging.WARNING, format=f"{MARK}%(levelname)s %(message)s", stream=sys.stderr)
    log.setLevel(logging.INFO)
    # Airflow and people end jobs with SIGTERM; unwinding lets the attempt clean up. SIGKILL is survived too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    arguments = _parser(default_step).parse_args()
    try:
        configuration = retrievers.load(arguments.config)
        interval = Interval.parse(arguments.start, arguments.end)
        run = Run(configuration, interval)
        summary = perform(run, arguments.step, work, outside(run) if outside else {}, always=always)
    except SynAlignError as error:
        for line in f"{type(error).__name__}: {error}".splitlines():
            print(f"{MARK}{line}", file=sys.stderr)
        sys.exit(error.exit_code)
    print(json.dumps(summary, sort_keys=True), flush=True)


def perform(
    run: Run,
    step: str,
    work: Callable[[Attempt], None],
    outside: dict[str, str] | None = None,
    *,
    always: bool = False,
) -> dict[str, Any]:
    """Do one step of a run, or reuse it when what it was made from is unchanged.

    Returns:
        What a person wants to know of it: step, whether it was reused, rows, metrics, seconds.

    Raises:
        SynAlignError: The step failed; the run folder is as it was before.
    """
    with run.lock():
        attempt = Attempt(run, flow.step(step), outside)
        if attempt.finished is not None and not always:
            log.info("%s: reused, nothing it depends on has changed", step)
            return _summary(attempt.finished, reused=True)
        log.info("%s: started", step)
        attempt.begin()
        try:
            work(attempt)
            manifest = attempt.commit()
        except BaseException:
            attempt.abandon()
            raise
    log.info("%s: done in %.1f s", step, manifest["seconds"])
    return _summary(manifest, reused=False)


def _summary(manifest: dict[str, Any], *, reused: bool) -> dict[str, Any]:
    return {
        "step": manifest["step"],
        "reused": reused,
        "rows": {table: content["rows"] for table, content in manifest["tables"].items()},
        "metrics": manifest["metrics"],
        "seconds": manifest["seconds"],
    }


def _parser(default_step: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=flow.step(default_step).purpose)
    parser.add_argument("--config", required=True, help="the retriever's YAML file")
    parser.add_argument("--start", required=True, help="start of the data interval, ISO 8601, inclusive")
    parser.add_argument("--end", required=True, help="end of the data interval, ISO 8601, exclusive")
    steps = [step.name for step in flow.STEPS if step.job == flow.step(default_step).job]
    parser.add_argument("--step", default=default_step, choices=steps, help="which step (default: %(default)s)")
    return parser
