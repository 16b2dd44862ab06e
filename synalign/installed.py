"""Which part of SynAlign is installed: all of it, or what reads DAG files and serves pages, as in the image `airflow`.

Jobs and most commands need the extra `jobs`; where it is not installed, their first import fails.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import metadata, util
from types import TracebackType

from packaging.requirements import Requirement

from synalign.errors import SetupError, listed

_EXTRA = "jobs"
# Spark's bridge to Java: nothing but the extra brings it.
_TELLING = "py4j"


def runs_jobs() -> bool:
    """Return whether jobs can run here, as far as packages go; fast, for it is asked whenever a job begins."""
    return util.find_spec(_TELLING) is not None


@cache
def unmet() -> tuple[str, ...]:
    """Return what the extra `jobs` asks for and is not installed here: each as `name (asked: ..., installed: ...)`."""
    found = []
    for text in metadata.requires("synalign") or []:
        asked = Requirement(text)
        if asked.marker is not None and not asked.marker.evaluate({"extra": _EXTRA}):
            continue
        try:
            installed = metadata.version(asked.name)
        except metadata.PackageNotFoundError:
            installed = "none"
        if installed == "none" or not asked.specifier.contains(installed, prereleases=True):
            found.append(f"{asked.name} (asked: {asked.specifier or 'any'}, installed: {installed})")
    return tuple(found)


def lacking() -> SetupError | None:
    """Return the error of an installation without the part that runs jobs, or None where nothing is missing."""
    missing = unmet()
    if not missing:
        return None
    if not runs_jobs():
        return SetupError(
            "only the part of SynAlign that reads DAG files and serves Airflow's pages is installed here: no jobs run, "
            f"for the extra `{_EXTRA}` is not installed.",
            cause="the image `airflow`, or `pip install synalign` without extras",
            remedy="run it where jobs run, which is the image `jobs`: `docker compose exec scheduler synalign ...`; "
            f"outside of containers `pip install 'synalign[{_EXTRA}]'`",
        )
    return SetupError(
        f"packages of the extra `{_EXTRA}` are missing or of another version: {listed(missing)}.",
        cause="an installation without docker/constraints.txt, or one that was changed later",
        remedy=f"`pip install --constraint docker/constraints.txt 'synalign[{_EXTRA}]'`",
    )


def need_jobs() -> None:
    """Return where jobs can run.

    Raises:
        SetupError: They cannot: packages are missing, or of another version.
    """
    problem = lacking()
    if problem is not None:
        raise problem


def explain_imports() -> None:
    """Let a job that cannot be imported end with that error instead of a traceback; every other one stays as it is."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
        known = lacking() if isinstance(error, ImportError) else None
        if known is None:
            before(kind, error, at)
            return
        sys.stderr.write(f"{type(known).__name__}: {known}\n")
        sys.exit(known.exit_code)

    sys.excepthook = hook
