"""The commands show, report and compare, as people call them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Configuration
from synalign.errors import RunError
from tests.changes.sets import FIRST, SECOND, Row, finished, real
from tests.cli.calling import call
from tests.report.runs import INTERVAL, made_run

Make = Callable[..., Configuration]


def test_show_gives_programs_the_figures(configuration: Make) -> None:
    run = made_run(configuration())
    found = json.loads(call("show", f"shop/{INTERVAL.name}", "--json").output)
    assert (found["retriever"], found["folder"]) == ("shop", str(run.folder))
    assert found["steps"]["register"]["metrics"]["version"] == "3"


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
