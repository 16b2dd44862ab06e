"""Processes of one home pass a section one after another; a home that cannot be written is told."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from synalign.errors import SetupError
from synalign.storage.home_lock import one_at_a_time, opened


def test_nobody_else_is_in_a_section_and_other_sections_are_free(home: Path) -> None:
    with one_at_a_time("tables"):
        for name, free in (("tables", False), ("others", True)):
            with opened(home / "locks" / name) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    assert not free
                else:
                    assert free
    with one_at_a_time("tables"), opened(home / "locks" / "tables") as file:
        assert not os.get_inheritable(file)


def test_a_home_that_is_a_file_is_told(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "locks").write_text("")
    with pytest.raises(SetupError, match=r"(?s)cannot be made.*SYNALIGN_HOME"), one_at_a_time("tables"):
        pass
