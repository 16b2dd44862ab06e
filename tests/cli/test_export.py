"""The command export, as people call it."""

from collections.abc import Callable
from pathlib import Path

from synalign.config import Configuration
from synalign.errors import ConfigurationError, RunError
from synalign.export import FORMATS
from tests.changes.sets import FIRST, Row, finished, real
from tests.cli.calling import call

Make = Callable[..., Configuration]


def test_an_export_says_what_it_wrote_and_where_to_read_on(configuration: Make, tmp_path: Path) -> None:
    finished(configuration(), FIRST, [*real("a", "b"), Row("x", weight=0.5), *real("c", split="test")])
    out = tmp_path / "out"
    done = call("export", "shop", "--to", "flagembedding", "--draw", "5", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        f"           5  {out / 'train.jsonl'}", f"How to train on it: {out / 'README.md'}",
    ]  # fmt: skip
    assert f"shop/{FIRST.name}" in (out / "README.md").read_text(encoding="utf-8")


def test_an_earlier_export_is_replaced_only_where_asked(configuration: Make, tmp_path: Path) -> None:
    finished(configuration(), FIRST, real("a", "b"))
    arguments = ("export", "shop", "--to", "hf", "--out", str(tmp_path / "out"))
    assert call(*arguments).exit_code == 0
    refused = call(*arguments).exception
    assert isinstance(refused, ConfigurationError) and "--overwrite" in refused.remedy
    assert call(*arguments, "--overwrite").exit_code == 0


def test_wrong_arguments_have_exit_codes_of_their_own(configuration: Make, tmp_path: Path) -> None:
    out = ("--out", str(tmp_path / "out"))
    assert isinstance(call("export", "shoe", "--to", "hf", *out).exception, RunError)
    finished(configuration(), FIRST, real("a"))
    assert isinstance(call("export", "shop", "--to", "csv", *out).exception, ConfigurationError)
    assert isinstance(call("export", "shop", "--to", "hf", "--draw", "5", *out).exception, ConfigurationError)
    assert call("export", "shop", "--to", "hf", *out, "--draw", "0").exit_code == 2
    assert call("export", "shop", "--to", "hf").exit_code == 2


def test_help_names_every_format_and_what_is_lost() -> None:
    shown = call("export", "--help").output
    for name in FORMATS:
        assert shown.count(name) >= 2, name
    assert "no place for weights" in shown
