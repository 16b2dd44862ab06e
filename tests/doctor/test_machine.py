"""Java, disk, memory and clock: each way in which they can be wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple

import pytest

from synalign.doctor import Case, Finding, machine

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_java_that_is_missing_says_what_to_install(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert check("java", case()).state == "pass"
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = check("java", case())
    assert found.state == "fail"
    assert "has no bin/java" in found.found
    assert "apt-get install openjdk-17" in found.remedy


def test_a_full_disk_fails_and_names_the_folder(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**12, 10**12, 300 * 2**20))
    found = check("disk", case())
    assert (found.state, found.found) == (
        "fail", f"0.3 GiB are free in {home}, must be at least 1.0 GiB; no run so far."
    )  # fmt: skip
    assert "SYNALIGN_HOME" in found.remedy
    assert not home.exists()


def test_a_disk_must_hold_twice_the_largest_run(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    run = home / "runs" / "shop" / "20260228T000000Z-20260301T000000Z"
    run.mkdir(parents=True)
    (run / "table").write_bytes(bytes(1000))
    monkeypatch.setattr(machine, "LEAST_DISK", 10)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 1999))
    assert check("disk", case()).state == "fail"
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 2000))
    assert check("disk", case()).state == "pass"


def test_too_little_memory_says_how_much_is_needed(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: range(4))
    monkeypatch.setattr(machine, "available_memory", lambda: 3 * 2**30 - 1)
    found = check("memory", case())
    assert found.state == "fail"
    assert "must be at least 3.0 GiB" in found.found
    assert "local[2]" in found.remedy
    monkeypatch.setattr(machine, "available_memory", lambda: 3 * 2**30)
    assert check("memory", case()).state == "pass"


def test_a_container_has_what_its_limit_leaves(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit, use = tmp_path / "max", tmp_path / "current"
    limit.write_text("3000\n")
    use.write_text("1000\n")
    monkeypatch.setattr(machine, "_MEMORY_LIMITS", ((str(limit), str(use)),))
    assert machine.available_memory() == 2000
    limit.write_text("max\n")
    of_the_machine = machine.available_memory()
    assert of_the_machine is not None
    assert of_the_machine > 10**7


def told(case: Case, seconds: float) -> Case:
    """A server's clock is some seconds ahead of ours."""
    case.note_time("mlflow.example", format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True))
    return case


@pytest.mark.parametrize(("seconds", "word"), [(300, "behind"), (-300, "ahead of")])
def test_a_clock_that_is_off_fails_and_says_which_way(case: Make, check: Look, seconds: int, word: str) -> None:
    found = check("clock", told(told(case(), 0), seconds))
    assert found.state == "fail"
    assert f"s {word} that of mlflow.example" in found.found
    assert "timedatectl" in found.remedy


def test_a_clock_that_agrees_passes(case: Make, check: Look) -> None:
    assert check("clock", told(case(), 20)).state == "pass"


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Mar 2026 00:00:00 GMT"])
def test_a_server_that_tells_no_time_proves_nothing(case: Make, check: Look, date: str | None) -> None:
    asked = case()
    asked.note_time("mlflow.example", date)
    found = check("clock", asked)
    assert (found.state, found.found) == ("skipped", "no server told its time")
