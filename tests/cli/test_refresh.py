"""The command refresh: its source, and the interval that a date names."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from synalign import cli, errors
from synalign.config import Configuration
from synalign.errors import SynAlignError
from synalign.run import Interval


def test_an_unknown_source_is_a_configuration_error() -> None:
    shown = CliRunner().invoke(cli.application, ["refresh", "--source", "nothing"])
    assert isinstance(shown.exception, errors.ConfigurationError)
    assert "must be `demo` or `beir:PATH`" in str(shown.exception)


OWN = "retriever: own\nschedule: {start: 2025-01-01%s}\nsource: {kind: beir, path: here}\n"
AT_THREE, HOURLY, WEEKLY = "", ', cron: "0 * * * *"', ', cron: "0 3 * * mon"'
IN_BERLIN = ", cron: '0 3 * * *', time_zone: Europe/Berlin"


@pytest.mark.parametrize(
    ("schedule", "arguments", "end"),
    [
        (None, [], "2026-03-01T00:00"),
        (None, ["--date", "2026-01-05"], "2026-01-05T00:00"),
        (AT_THREE, ["--date", "2026-01-05"], "2026-01-05T03:00"),
        (AT_THREE, ["--date", "2026-01-05T02:59"], "2026-01-04T03:00"),
        (HOURLY, ["--date", "2026-01-05"], "2026-01-05T00:00"),
        (HOURLY, ["--date", "2026-01-05T05:00"], "2026-01-05T05:00"),
        (HOURLY, ["--date", "2026-01-05T05:00+02:00"], "2026-01-05T03:00"),
        (HOURLY, ["--date", "2026-01-05T05:59:59Z"], "2026-01-05T05:00"),
        (WEEKLY, ["--date", "2026-01-05"], "2026-01-05T03:00"),
        (WEEKLY, ["--date", "2026-01-08"], "2026-01-05T03:00"),
        (IN_BERLIN, ["--date", "2025-07-05"], "2025-07-05T01:00"),
        (IN_BERLIN, ["--date", "2026-01-05"], "2026-01-05T02:00"),
    ],
)
def test_a_date_names_the_end_of_a_data_interval(
    schedule: str | None, arguments: list[str], end: str, monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    assert ended_at(schedule, arguments, monkeypatch, tmp_path) == f"{end}:00+00:00"


def test_without_a_date_own_logs_are_refreshed_up_to_the_last_tick(
    monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    hour = datetime.fromisoformat(ended_at(HOURLY, [], monkeypatch, tmp_path))
    assert timedelta(0) <= now - hour <= timedelta(hours=1, seconds=1)
    day = datetime.fromisoformat(ended_at(AT_THREE, [], monkeypatch, tmp_path))
    assert (day.hour, day.minute) == (3, 0)
    assert timedelta(0) <= now - day <= timedelta(days=1, seconds=1)


def ended_at(schedule: str | None, arguments: list[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """The end of the interval that a refresh would be of; nothing is started."""

    def told(_: Path, interval: Interval, __: Any) -> Any:
        raise SynAlignError(interval.end.isoformat())

    monkeypatch.setattr("synalign.local.refresh.Refresh", told)
    if schedule is not None:
        (folder / "own.yaml").write_text(OWN % schedule)
        arguments = [str(folder / "own.yaml"), *arguments]
    return str(CliRunner().invoke(cli.application, ["refresh", *arguments]).exception)


def test_a_beir_folder_gets_a_file_of_its_own_name(monkeypatch: pytest.MonkeyPatch, home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Sci Fact (v2)"
    ended_at(None, ["--source", f"beir:{folder}"], monkeypatch, tmp_path)
    [file] = (home / "retrievers").iterdir()
    assert file.name == "sci-fact-v2.yaml"
    content = Configuration.model_validate(yaml.safe_load(file.read_text()))
    assert (content.retriever, content.source.kind) == ("sci-fact-v2", "beir")
    assert content.source.path == str(folder)
