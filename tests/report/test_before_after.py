"""The map and what surrounds it: areas are weights, texts stay within their budget, unfinished runs say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from synalign.config import Configuration
from synalign.report import before_after
from synalign.report.material import Material
from tests.report.runs import made_run

Make = Callable[..., Configuration]


@pytest.mark.parametrize(("until", "panels"), [("screen", 1), ("align", 1), ("evaluate", 2), ("assemble", 2)])
def test_an_unfinished_run_shows_what_there_is(configuration: Make, until: str, panels: int) -> None:
    section = before_after.section(Material(made_run(configuration(), until=until)))
    assert section is not None
    assert len(section.content["map"].panels) == panels
    assert len(section.content["legend"]) == panels + 1


def test_before_anything_is_written_there_is_no_picture(configuration: Make) -> None:
    assert before_after.section(Material(made_run(configuration(), until="generate"))) is None
