"""Spark as it is, and as it should not be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.doctor import Case, Finding, spark

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]


def fake_java(folder: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """A Java that names itself and does something else when it is asked for more."""
    command = folder / "bin" / "java"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nif [ "$1" = -version ]; then echo \'openjdk version "17.0.1"\' >&2; exit 0; fi\n{then}\n'
    )
    command.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(folder))


@pytest.mark.spark
def test_spark_counts_in_a_process_of_its_own(case: Make, check: Look) -> None:
    found = check("spark", case())
    assert found.state == "pass", found
    assert "counted 10,000 rows" in found.found
    assert "(Java " in found.found


@pytest.mark.spark
def test_a_spark_that_does_not_start_is_told_with_how_to_see_more(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_java(tmp_path, monkeypatch, "echo no such machine >&2; exit 1")
    found = check("spark", case())
    assert found.state == "fail"
    assert "Spark cannot count: " in found.found
    assert "JAVA_GATEWAY_EXITED" in found.found or "Java gateway" in found.found
    assert f"{sys.executable} -m synalign.doctor.spark" in found.remedy


@pytest.mark.spark
def test_a_spark_that_hangs_is_given_up(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake_java(tmp_path, monkeypatch, "exec sleep 2")
    monkeypatch.setattr(spark, "SECONDS", 1)
    found = check("spark", case())
    assert found.state == "fail"
    assert "did not count 10,000 rows within 1 s" in found.found


def test_without_java_there_is_no_use_in_starting_spark(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert check("spark", case()).state == "skipped"
