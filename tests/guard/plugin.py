"""Fails a test that starts a JVM, Airflow, an MLflow server or a browser and has no marker that says so."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.guard import starts

_allowed = frozenset(starts.KINDS)
_refused: list[str] = []


def _started(found: str, command: str) -> None:
    if found not in _allowed:
        _refused.append(f"{found} {command}")
        raise RuntimeError(f"Refused: {command}")


starts.watch(_started, imports=False)


@contextmanager
def _held(item: pytest.Item) -> Iterator[None]:
    """Let a phase of a test start what its markers say; others, also from its children, fail it afterwards."""
    global _allowed
    _allowed = _marked(item)
    _refused.clear()
    record = item.config.stash[_RECORD]
    try:
        yield
    finally:
        _allowed = frozenset(starts.KINDS)
        refused = list(_refused)
        # As a rule it is not there; and a test may have made the removal of files fail.
        if record.exists():
            refused += record.read_text(encoding="utf-8").splitlines()
            record.unlink()
    if refused:
        marker, _, command = refused[0].partition(" ")
        pytest.fail(
            f"It starts {starts.KINDS[marker]}, `{command}`: mark it with `@pytest.mark.{marker}`, or the file with "
            f"`pytestmark = pytest.mark.{marker}`; where a fixture starts it, name the fixture in STARTED_BY of "
            "tests/conftest.py.",
            pytrace=False,
        )


def _marked(item: pytest.Item) -> frozenset[str]:
    return frozenset(mark.name for mark in item.iter_markers()) & starts.KINDS.keys()


_RECORD = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """Choose the file in which children say what they started: one for each process of tests."""
    config.stash[_RECORD] = Path(tempfile.gettempdir()) / f"synalign-test-starts-{os.getpid()}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Watch the children of a test; those of the marked tests are left alone: they are what the tests are about."""
    with pytest.MonkeyPatch.context() as patch:
        if not _marked(item):
            patch.setenv(starts.RECORD, str(item.config.stash[_RECORD]))
            patch.setenv("PYTHONPATH", str(starts.FOLDER), prepend=os.pathsep)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    with _held(item):
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    with _held(item):
        yield
