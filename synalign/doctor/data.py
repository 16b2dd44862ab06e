"""A source's data, looked into before anything is run on it: `synalign check --data`, and a check of `synalign doctor`.

python -m synalign.doctor.data FILE START END TEXTS     the same as JSON, with all that Spark prints
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from synalign import errors, retriever_files
from synalign.config import Schedule
from synalign.doctor.finding import Case, Skipped
from synalign.errors import ConfigurationError, InputError, SetupError, SynAlignError
from synalign.run import Interval
from synalign.run.dates import interval_of

SECONDS = 600
TEXTS = 100
"""Queries, and documents, that are handed on to the check of the encoder."""

_MODULE = "synalign.doctor.data"


def data(case: Case) -> str:
    """Check that the source's data can be read, joined and embedded; whether rows are in a window depends on the date.

    Raises:
        InputError: It cannot be used.
    """
    if case.file is None:
        raise Skipped("no FILE was given; `synalign check --data FILE` looks into a source's data")
    found = examine(case.file, usual_interval(case.configuration.schedule, None), TEXTS)
    case.texts = found["texts"]
    problems = [problem for problem in found["problems"] if problem["about"] != "window"]
    if problems:
        raise InputError(
            f"the source's data cannot be used: {'; '.join(problem['text'] for problem in problems)}.",
            remedy=f"{problems[0]['remedy']}; `synalign check --data {case.file}` shows examples",
        )
    rows, ids = found["rows"], found["ids"]
    joined = "" if ids is None or ids["share"] is None else f", {ids['share']:.0%} of the ids join"
    other = [problem["text"] for problem in found["problems"]] + found["warnings"]
    return "; ".join([f"{rows['rows']:,} rows read ({found['sample']}){joined}", *other])


def usual_interval(schedule: Schedule, asked: str | None) -> Interval:
    """Return the data interval of a date; of none the last that is over, or the first there will be.

    Raises:
        ConfigurationError: The date cannot be.
    """
    try:
        return interval_of(schedule, asked, datetime.now(UTC))
    except ConfigurationError:
        if asked is not None:
            raise
        ticks = schedule.ticks
        start = ticks.after(ticks.midnight(schedule.start) - timedelta(seconds=1))
        return Interval(start, ticks.after(start))


def examine(file: Path, interval: Interval, texts: int = 0) -> dict[str, Any]:
    """Look into a source's data in a process of its own, so that what Spark prints stays there.

    Args:
        file: The retriever's YAML file.
        interval: The data interval that the window is of.
        texts: How many queries, and documents, to return in full.

    Returns:
        What `synalign.doctor.sample.look` found.

    Raises:
        SynAlignError: What the process raised, as its own kind.
        SetupError: It ended without a result.
    """
    told = [interval.start.isoformat(), interval.end.isoformat(), str(texts)]
    command = [sys.executable, "-m", _MODULE, str(file), *told]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False)
        found: dict[str, Any] = json.loads((done.stdout.splitlines() or [""])[-1])
    except subprocess.TimeoutExpired as error:
        raise SetupError(
            f"the sample was not read within {SECONDS} s.", remedy=f"`{' '.join(command)}` shows all that Spark prints"
        ) from error
    except ValueError as error:
        raise SetupError(
            f"the sample was not read: {(done.stderr.strip().splitlines() or ['no reason given'])[-1][:300]}",
            remedy=f"`{' '.join(command)}` shows all that Spark prints",
        ) from error
    if "error" in found:
        kind = getattr(errors, found["error"])
        raise kind(found["message"], cause=found["cause"], remedy=found["remedy"])
    return found


def main(arguments: Sequence[str]) -> None:
    """Print what was found, or the error, as one line of JSON."""
    from synalign.doctor.sample import look

    file, start, end, texts = arguments
    try:
        found = look(retriever_files.load(file), Interval.parse(start, end), int(texts))
    except SynAlignError as error:
        found = {"error": type(error).__name__, "message": error.message, "cause": error.cause, "remedy": error.remedy}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
