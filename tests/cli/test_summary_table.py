"""A run in a terminal: what `synalign show` draws."""

import io
from collections.abc import Callable

from rich.console import Console
from typer.testing import CliRunner

from synalign.cli import application
from synalign.cli.summary_table import show
from synalign.config import Configuration
from tests.cli.calling import call
from tests.report.runs import made_run

Make = Callable[..., Configuration]


def test_show_begins_with_the_verdict_and_ends_with_where_things_are(configuration: Make) -> None:
    run = made_run(configuration())
    lines = call("show", "shop").output.splitlines()
    assert lines[0] == "shop, 2026-02-28 00:00 to 2026-03-01 00:00 UTC"
    assert lines[1].startswith("  Checks passed")
    assert "MMD²" in lines[2]
    assert lines[-1].split() == ["MLflow", "shop-training-set", "version", "3,", "alias", "current"]
    assert call("show", str(run.folder)).output.splitlines() == lines


def test_show_of_an_unfinished_run_says_what_is_missing_and_what_to_do(configuration: Make) -> None:
    made_run(configuration(), until="align")
    output = call("show", "shop").output
    assert "Unfinished" in output
    assert "What to do: Run the same refresh again" in output
    states = {words[0]: words[1] for line in output.splitlines() if len(words := line.split()) > 1}
    assert (states["screen"], states["align"], states["register"]) == ("done", "missing", "missing")


def test_a_path_is_never_broken_in_a_narrow_terminal(configuration: Make) -> None:
    made_run(configuration(), changed={"register": {"location": "/a" * 60}})
    output = CliRunner().invoke(application, ["show", "shop"], env={"COLUMNS": "60"}).output
    assert "/a" * 60 in output
    assert all(len(line) <= 60 for line in output.splitlines() if "/a" not in line)


def test_texts_are_neither_markup_nor_commands_of_a_terminal(configuration: Make) -> None:
    run = made_run(configuration(), changed={"register": {"location": "[red]/a\x1b[31m"}})
    console = Console(width=200, record=True, force_terminal=True, color_system=None, file=io.StringIO())
    show(run, console)
    said = console.export_text()
    assert "[red]/a" in said and "\x1b" not in said
