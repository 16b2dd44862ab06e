"""The configuration reference is made, not written: the committed page is what the schema gives today."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from synalign import flow
from synalign.config import RUNTIME_REASONS, reference
from synalign.config.described import SOURCES, settings
from synalign.local.services import Ports

ROOT = Path(__file__).parent.parent.parent


def test_the_committed_page_is_what_the_schema_gives() -> None:
    committed = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert committed == reference.page(), "run `make docs`"


@pytest.mark.parametrize("kind", SOURCES)
def test_every_setting_has_a_row_with_its_rule_and_description(kind: str) -> None:
    rows = reference.page().splitlines()
    for setting in settings(kind):
        for value in setting.values():
            cells = (f"`{value.key}`", value.rule, value.about)
            mine = [row for row in rows if all(cell.replace("|", r"\|") in row for cell in cells)]
            assert mine, value.key


def test_every_row_has_as_many_cells_as_its_table_has_columns() -> None:
    columns = 0
    for line in reference.page().splitlines():
        bars = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert columns in (0, bars) or not bars, line
        columns = bars
    assert reference._row("a|b", "c") == "| a\\|b | c |"


def test_it_says_from_which_step_a_change_runs_again() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `(\w+)`[^|]*\|$", reference.page(), re.MULTILINE))
    assert rows["sampling"] == "sample"
    assert rows["alignment"] == "align"
    assert "runtime" not in rows
    assert set(rows) == {key for step in flow.STEPS for key in step.settings}


def test_it_says_why_no_runtime_setting_changes_a_result() -> None:
    assert all(f"- `{name}`: {reason}." in reference.page() for name, reason in RUNTIME_REASONS.items())


def test_every_variable_that_the_code_reads_is_told() -> None:
    files = [path for folder in ("synalign", "dags", "jobs") for path in (ROOT / folder).rglob("*.py")]
    # `SYNALIGN_X_PORT` is put together from the names of three services.
    read = {name for path in files for name in re.findall(r"\bSYNALIGN_[A-Z]+(?:_[A-Z]+)*", path.read_text())}
    told = reference.VARIABLES | reference.BETWEEN_PROCESSES
    assert {name for name in told if name.startswith("SYNALIGN_")} == read | {
        f"SYNALIGN_{name.upper()}_PORT" for name in Ports._fields
    }
    assert all(f"`{name}`" in reference.page() for name in told)


def test_it_is_written_by_the_module(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    subprocess.run([sys.executable, "-m", "synalign.config.reference", str(path)], check=True, cwd=ROOT)
    assert path.read_text(encoding="utf-8") == reference.page()
    assert "synalign.config.reference docs/configuration.md" in (ROOT / "Makefile").read_text()
