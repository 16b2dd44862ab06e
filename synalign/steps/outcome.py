"""How a job ended, for whoever started it: a summary that Airflow's database can hold, or the error in its own words.

A job says so in a file that $SYNALIGN_OUTCOME names. Its exit code would do for some of that, but not behind
spark-submit, whose own messages bury the job's. Imported by DAG files: nothing heavy here.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from synalign.errors import SynAlignError

VARIABLE = "SYNALIGN_OUTCOME"
"""Environment variable of a job: the file to say it in."""

FOLDER = "outcomes"
"""Below `$SYNALIGN_STORE`: outcomes of jobs whose driver is not on the machine of its task."""

MOST_BYTES = 2000
"""Of a summary as JSON."""

LONGEST_TEXT = 300
LONGEST_LIST = 5
ADDRESSES = ("location", "path", "url")
"""Texts that are of no use when cut."""
DATA = frozenset({"examples", "not_measurable"})
"""Metrics whose texts, names included, come from logs, documents or models; they stay in the manifest."""
TEXTS = frozenset({
    *ADDRESSES, "step", "model", "revision", "precision", "loop", "mode", "endpoint", "currency", "scheme", "reason",
    "status", "failures", "version", "run_id", "digest",
})  # fmt: skip
"""Keys whose value may be text: what the code or the configuration wrote. Any other text may be a user's or a model's,
and Airflow's database is no place for it."""
DEPTH = 3
"""Mappings within mappings that a summary keeps; what lies deeper is for the report."""


class Outcome(NamedTuple):
    """How a job ended.

    Attributes:
        summary: What it came to; None when it failed.
        error: Class of the error of ours that ended it, or empty.
        message: The error's own words.
        exit_code: That error's, or None.
    """

    summary: dict[str, Any] | None = None
    error: str = ""
    message: str = ""
    exit_code: int | None = None


def say(outcome: Outcome) -> None:
    """Write a job's outcome to the file that `SYNALIGN_OUTCOME` names, if there is one."""
    place = os.environ.get(VARIABLE, "")
    if place:
        # On a cluster the job may run where the one who started it has no folder; its log says the same.
        with suppress(OSError):
            Path(place).write_text(json.dumps(outcome._asdict()), encoding="utf-8")


def failure(error: SynAlignError) -> Outcome:
    """Return the outcome of a job that an error of ours ended."""
    return Outcome(None, type(error).__name__, str(error), error.exit_code)


@contextmanager
def place() -> Iterator[Path]:
    """Make a file for a job's outcome; it is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="synalign-") as folder:
        yield Path(folder) / "outcome.json"


def read(file: Path) -> Outcome:
    """Read a job's outcome; an empty one where it said nothing: it was killed, or ran on another machine."""
    try:
        return Outcome(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Outcome()


def short(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return a summary without data: figures, and texts that the code wrote (`TEXTS`), in at most `MOST_BYTES`.

    Args:
        summary: Of a job. What holds queries, documents or a model's words (`DATA`) stays in the manifest, as do long
            lists.

    Returns:
        The same, cut; what had to go for its size is named under `left_out`.
    """
    kept: dict[str, Any] = _cut(summary, DEPTH)
    left_out: list[str] = []
    metrics = dict(kept.get("metrics") or {})
    while metrics and _bytes({**kept, "metrics": metrics, "left_out": left_out}) > MOST_BYTES:
        largest = max(metrics, key=lambda name: (_bytes(metrics[name]), name))
        del metrics[largest]
        left_out.append(largest)
    if left_out:
        kept |= {"metrics": metrics, "left_out": sorted(left_out)}
    return kept


def _cut(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_TEXT else value[: LONGEST_TEXT - 3] + "..."
    if isinstance(value, Mapping):
        cut = {
            str(key): item if key in ADDRESSES else _cut(item, depth - 1)
            for key, item in value.items()
            if _belongs(key, item, depth)
        }
        # An empty mapping says that there was nothing; one that was emptied must not.
        return {key: item for key, item in cut.items() if item or item != {} or value[key] == {}}
    if isinstance(value, (list, tuple)):
        return [_cut(item, depth) for item in value]
    return value


def _belongs(key: str, value: Any, depth: int) -> bool:
    if key in DATA:
        return False
    if isinstance(value, Mapping):
        return depth > 0
    if isinstance(value, (list, tuple)):
        return len(value) <= LONGEST_LIST and all(_belongs(key, item, 0) for item in value)
    return key in TEXTS or not isinstance(value, str)


def _bytes(value: Any) -> int:
    return len(json.dumps(value).encode())
