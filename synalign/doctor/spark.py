"""Spark, in a process of its own as in a refresh: a session starts, and a Python worker counts.

python -m synalign.doctor.spark     the same, with all that Spark prints
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from synalign.doctor.finding import Case, Skipped
from synalign.errors import SetupError, SynAlignError

if TYPE_CHECKING:
    import pyarrow as pa

SECONDS = 300
_ROWS = 10_000
_MODULE = "synalign.doctor.spark"


def spark(case: Case) -> str:
    """Start a Spark session and let it count.

    Raises:
        SetupError: Spark does not start, or cannot count.
    """
    from synalign.spark import java
    from synalign.spark.remote import REMOTE

    if not os.environ.get(REMOTE) and java.problem() is not None:
        raise Skipped("there is no Java to start it with")
    try:
        done = subprocess.run(
            [sys.executable, "-m", _MODULE], capture_output=True, text=True, errors="replace", timeout=SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise _trouble(f"Spark did not count {_ROWS:,} rows within {SECONDS} s") from error
    if done.returncode != 0:
        raise _trouble(f"Spark cannot count: {_reason(done.stderr)}")
    found = json.loads(done.stdout.splitlines()[-1])
    return (
        f"Spark {found['version']} on {found['master']} (Java {found['java']}) counted {found['rows']:,} rows with "
        f"{found['parallelism']} workers{found['executors']}"
    )


def _trouble(message: str) -> SetupError:
    return SetupError(
        f"{message}.",
        remedy=f"`{sys.executable} -m {_MODULE}` shows all that Spark prints; look there first at the last exception",
    )


def _reason(printed: str) -> str:
    """Return the last line that names an exception; where none does, the last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    named = [line for line in lines if "Exception" in line or "Error" in line]
    return (named or lines or ["it ended without a word"])[-1][:300]


def _count() -> dict[str, Any]:
    from synalign.spark.remote import REMOTE, is_remote, local, parallelism
    from synalign.spark.session import session

    def same(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return batches

    with session("synalign doctor") as running:
        rows = running.range(_ROWS).mapInArrow(same, "id long").count()
        java = "of its own"
        if not is_remote(running):
            assert running.sparkContext._jvm is not None  # the session runs
            java = running.sparkContext._jvm.java.lang.System.getProperty("java.version")
        return {
            "version": running.version,
            "master": os.environ.get(REMOTE) or running.conf.get("spark.master"),
            "java": java,
            "parallelism": parallelism(running),
            "rows": rows,
            # A session on a cluster begins by asking executors for their packages.
            "executors": "" if local(running) else ", which have the packages of this machine",
        }


if __name__ == "__main__":
    try:
        sys.stdout.write(json.dumps(_count()) + "\n")
    except SynAlignError as error:
        sys.stderr.write(f"{type(error).__name__}: {error.message}\n")
        sys.exit(error.exit_code)
