"""`synalign check --data` and the doctor's check: which interval, which exit code, and what people see."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from synalign import retriever_files
from synalign.cli import application
from synalign.config import Configuration, Schedule
from synalign.doctor import Case, Finding, data, sample
from synalign.doctor.data import usual_interval
from synalign.errors import ConfigurationError, InputError
from synalign.local import demo_data
from synalign.run import Interval
from tests.doctor.looking import about

Make = Callable[..., Configuration]
pytestmark = pytest.mark.usefixtures("spark")


def test_without_a_date_it_is_the_last_interval_that_is_over_or_the_first_there_will_be() -> None:
    over = usual_interval(Schedule(start=date(2026, 1, 1)), None)
    assert over.end.hour == 3
    first = usual_interval(Schedule(start=date(2090, 1, 1), cron="0 * * * *"), None)
    assert first == Interval.parse("2090-01-01T00:00", "2090-01-01T01:00")
    with pytest.raises(ConfigurationError, match="must not be in the future"):
        usual_interval(Schedule(start=date(2026, 1, 1)), "2090-01-01")


def called(*arguments: object) -> Result:
    return CliRunner().invoke(application, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def examined_here(file: Path, interval: Interval, texts: int = 0) -> dict[str, Any]:
    """Look in this process: the other end of the process is the same, and another one would start Java again."""
    return sample.look(retriever_files.load(file), interval, texts)


SHOP = """
retriever: shop
schedule: {start: 2026-01-01}
source: {kind: log, path: data/demo/query_log.parquet, documents: {path: data/demo/documents.parquet}}
"""


def test_check_shows_people_and_tells_programs_what_it_found(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo_data.make(home / "data" / "demo", events=500)
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    shown = called("check", file, "--data", "--date", "2026-03-01")
    assert shown.exit_code == 0
    assert "right; DAG refresh__shop" in shown.output
    assert "the data can be used" in shown.output
    monkeypatch.setattr(data, "examine", examined_here)
    file.write_text(SHOP.replace("documents:", "window_days: 7, documents:"))
    outside = called("check", file, "--data", "--date", "2026-06-01", "--json")
    assert outside.exit_code == InputError.exit_code == 3
    found = json.loads(outside.output)
    assert found["right"] is True
    assert "texts" not in found["data"]
    assert about(found["data"]) == ["window"]


def test_check_says_at_once_what_is_wrong_with_file_or_date_or_path(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    assert isinstance(called("check", file, "--data").exception, InputError)
    as_json = called("check", file, "--data", "--json")
    assert as_json.exit_code == 3
    assert "no such file" in json.loads(as_json.output)["data"]["problems"][0]["text"]
    for arguments in (("--data", "--date", "2090-01-01"), ("--data", "--date", "soon"), ("--date", "2026-03-01")):
        assert isinstance(called("check", file, *arguments).exception, ConfigurationError)
    file.write_text(SHOP + "seed: x\n")
    assert isinstance(called("check", file, "--data").exception, ConfigurationError)
    assert called("check", file, "--data", "--json").exit_code == 2


def test_doctor_looks_into_the_data_of_a_file_and_not_at_the_date(
    home: Path, tmp_path: Path, configuration: Make, check: Callable[[str, Case], Finding],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    assert check("data", Case(configuration())).state == "skipped"
    missing = check("data", Case(configuration(), file))
    assert missing.state == "fail"
    assert "no such file" in missing.found
    demo_data.make(home / "data" / "demo", events=500)
    monkeypatch.setattr(data, "examine", examined_here)
    looked_at = Case(configuration(), file)
    there = check("data", looked_at)
    assert there.state == "pass"
    assert {name: len(set(texts)) for name, texts in looked_at.texts.items()} == {"queries": 100, "documents": 100}
    assert "508 rows read (all rows of the log), 100% of the ids join" in there.found
