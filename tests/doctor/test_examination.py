"""Every check is made, whatever becomes of the others, and each failure says what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from synalign import installed
from synalign.doctor import CHECKS, Case, Skipped, examine
from synalign.doctor.examination import Check
from synalign.errors import SetupError


def right(case: Case) -> str:
    return "all is [bold]well[/bold]"


def wrong(case: Case) -> str:
    raise SetupError("disk == 0 GiB, must be more.", cause="it is full", remedy="empty it")


def nothing(case: Case) -> str:
    raise Skipped("not used here")


def unheard_of(case: Case) -> str:
    raise ZeroDivisionError("division\nby zero")


FOUR = (Check("one", right), Check("two", wrong), Check("three", nothing), Check("four", unheard_of))


def test_a_check_that_fails_keeps_no_other_from_being_made(case: Callable[..., Case]) -> None:
    found = [finding for _, finding in examine(case(), FOUR) if finding]
    assert [(finding.check, finding.state) for finding in found] == [
        ("one", "pass"), ("two", "fail"), ("three", "skipped"), ("four", "fail"),
    ]  # fmt: skip
    assert found[1].found == "disk == 0 GiB, must be more. Likely cause: it is full."
    assert found[1].remedy == "empty it"
    assert found[3].found == "ZeroDivisionError: division by zero"
    assert found[3].remedy


def test_where_no_jobs_run_what_concerns_them_is_passed_over(
    case: Callable[..., Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installed, "runs_jobs", lambda: False)
    checks = (Check("java", wrong, of_jobs=True), Check("disk", right))
    found = [finding for _, finding in examine(case(), checks) if finding]
    assert [(finding.state, finding.found) for finding in found] == [
        ("skipped", "no jobs run here"), ("pass", "all is [bold]well[/bold]"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (PermissionError(13, "Permission denied", "/tmp"), "TMPDIR"),
        (FileNotFoundError(2, "No usable temporary directory found in ['/tmp']"), "TMPDIR"),
        (ModuleNotFoundError("No module named 'x'"), "`packages`"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_system_refuses_is_no_fault_of_ours(case: Callable[..., Case], error: Exception, remedy: str) -> None:
    def refused(case: Case) -> str:
        raise error

    ((_, _), (_, finding)) = examine(case(), (Check("one", refused),))
    assert finding is not None
    assert (finding.state, remedy in finding.remedy) == ("fail", True)


def test_every_check_is_made_in_this_order() -> None:
    names = [check.name for check in CHECKS]
    assert names == [
        "packages", "java", "spark", "data", "encoder", "model", "mlflow", "airflow", "storage", "journal", "disk",
        "memory", "clock",
    ]  # fmt: skip
