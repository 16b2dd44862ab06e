"""Every check is made, whatever becomes of the others, and each failure says what to do."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from synalign.doctor import CHECKS, Case, Skipped, examine
from synalign.doctor.examination import Check
from synalign.doctor.table import show
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


def printed(case: Case, checks: tuple[Check, ...], width: int = 100) -> tuple[bool, str]:
    out = io.StringIO()
    ready = show(examine(case, checks), "shop", Console(file=out, width=width))
    return ready, out.getvalue()


def test_people_see_a_line_each_and_what_to_do(case: Callable[..., Case]) -> None:
    ready, text = printed(case(), FOUR)
    assert not ready
    lines = [line.split() for line in text.splitlines()]
    assert lines[0] == ["pass", "one", "all", "is", "[bold]well[/bold]"]
    assert lines[1][:2] == ["fail", "two"]
    assert "what to do: empty it" in text
    assert "shop: not ready; 1 passed, 2 failed, 1 skipped" in text
    assert "\x1b" not in text


def test_without_a_failure_it_is_ready(case: Callable[..., Case]) -> None:
    assert printed(case(), FOUR[:1]) == (
        True,
        "pass    one      all is [bold]well[/bold]\n\nshop: ready; 1 passed, 0 failed, 0 skipped\n",
    )


def test_long_sentences_stay_beside_their_check(case: Callable[..., Case]) -> None:
    long = Check("long", lambda case: "word " * 40)
    _, text = printed(case(), (long,), width=60)
    rows = text.split("\n\n")[0].splitlines()
    assert len(rows) > 3
    assert all(row.startswith(" " * 17) for row in rows[1:])
    assert max(map(len, rows)) <= 60


def test_what_the_issue_asks_for_is_looked_at() -> None:
    names = [check.name for check in CHECKS]
    assert names == [
        "java", "spark", "encoder", "data", "model", "mlflow", "airflow", "storage", "journal", "disk", "memory",
        "clock",
    ]  # fmt: skip
