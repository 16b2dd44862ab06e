"""The commands show, report and compare, as people call them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from synalign.cli import application
from synalign.config import Configuration
from synalign.errors import RunError
from tests.changes.sets import FIRST, SECOND, Row, finished, real
from tests.report.runs import INTERVAL, made_run

Make = Callable[..., Configuration]


def call(*arguments: str) -> Result:
    return CliRunner().invoke(application, arguments, env={"COLUMNS": "200"})


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


def test_show_gives_programs_the_figures(configuration: Make) -> None:
    run = made_run(configuration())
    found = json.loads(call("show", f"shop/{INTERVAL.name}", "--json").output)
    assert (found["retriever"], found["folder"]) == ("shop", str(run.folder))
    assert found["steps"]["register"]["metrics"]["version"] == "3"


def test_a_path_is_never_broken_in_a_narrow_terminal(configuration: Make) -> None:
    made_run(configuration(), changed={"register": {"location": "/a" * 60}})
    output = CliRunner().invoke(application, ["show", "shop"], env={"COLUMNS": "60"}).output
    assert "/a" * 60 in output
    assert all(len(line) <= 60 for line in output.splitlines() if "/a" not in line)


def test_a_report_is_written_where_asked_and_of_unfinished_runs_too(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made_run(configuration(), until="align")
    asked = tmp_path / "pages" / "shop.html"
    assert call("report", "shop", "--output", str(asked)).output.split() == [str(asked)]
    here = tmp_path / f"report-shop-{INTERVAL.name}.html"
    assert call("report", "shop").output.split() == [str(here)]
    assert here.read_bytes() == asked.read_bytes()
    assert "Unfinished" in here.read_text(encoding="utf-8")


def test_compare_tells_writes_and_gives_data(configuration: Make, tmp_path: Path) -> None:
    for interval, rows in ((FIRST, [*real("a", "b"), Row("x")]), (SECOND, [*real("b", "c"), Row("y")])):
        finished(configuration(), interval, rows)
    names, page = (f"shop/{FIRST.name}", f"shop/{SECOND.name}"), tmp_path / "changes.html"
    output = call("compare", *names, "--html", str(page)).output
    assert "3 rows became 3: 2 came, 2 went, 1 stayed." in output
    assert output.splitlines()[-1] == str(page)
    assert names[0] in page.read_text(encoding="utf-8")
    assert json.loads(call("compare", *names, "--json").output)["rows"]["counts"]["real"]["kept"] == 1


@pytest.mark.parametrize("command", [("show", "shoe"), ("report", "shoe"), ("compare", "shoe", "shoe")])
def test_what_is_not_there_is_an_error_with_its_own_exit_code(configuration: Make, command: tuple[str, ...]) -> None:
    found = call(*command).exception
    assert isinstance(found, RunError)
    assert found.exit_code == 4
