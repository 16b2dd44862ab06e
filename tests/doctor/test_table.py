"""Findings as people see them: a line each, and what to do below one that failed."""

from __future__ import annotations

import io
from collections.abc import Callable

from rich.console import Console

from synalign.doctor import Case, examine
from synalign.doctor.examination import Check
from synalign.doctor.table import show
from tests.doctor.test_examination import FOUR


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
