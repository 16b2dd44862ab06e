"""What was found in a source's data, as people see it; `test_sample.py` has what else the page says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Configuration
from tests.doctor.looking import event, looked, text_of

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")


def test_what_a_log_says_moves_no_cursor(home: Path, configuration: Make) -> None:
    found = looked(home, configuration(), [event(), event("[red]x[/red] \x1b[31mred", "kb-\x1b[2J")])
    text = text_of(found)
    assert "\x1b" not in text
    assert "[red]x[/red]" in text
