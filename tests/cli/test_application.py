"""The command line as a whole: help with an example for every command, errors without a traceback, exit codes."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from synalign import cli, errors
from synalign.errors import SynAlignError

SYNALIGN = str(Path(sys.executable).with_name("synalign"))


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with the words that call it."""

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, one in sorted(getattr(command, "commands", {}).items()):
            yield " ".join([*words, name]), one
            yield from below(one, (*words, name))

    yield from below(typer.main.get_command(cli.application), ())


def kinds() -> Iterator[type[SynAlignError]]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, SynAlignError):
            yield kind


@pytest.mark.parametrize(("words", "command"), commands(), ids=[words for words, _ in commands()])
def test_every_command_has_help_that_fits_a_terminal_and_an_example_that_parses(words: str, command: Any) -> None:
    shown = CliRunner().invoke(cli.application, [*words.split(), "--help"], env={"COLUMNS": "80", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert max(map(len, shown.output.splitlines())) <= 80
    if getattr(command, "commands", None):
        return
    examples = re.findall(r"Example: (.*)", command.help or "")
    assert examples, f"`synalign {words}` needs an example in its help"
    for example in examples:
        called = re.split(r" [|>] ", example)[0]
        _, _, arguments = called.partition(f"synalign {words}")
        assert called.endswith(f"synalign {words}{arguments}"), example
        command.make_context(words, shlex.split(arguments))


@pytest.mark.parametrize("option", ["--json"])
@pytest.mark.parametrize("words", ["check", "estimate", "refresh", "show", "compare", "doctor", "lineage"])
def test_commands_that_scripts_call_have_json(words: str, option: str) -> None:
    assert option in CliRunner().invoke(cli.application, [words, "--help"], env={"COLUMNS": "100"}).output


def test_every_exit_code_stands_in_the_help() -> None:
    shown = " ".join(CliRunner().invoke(cli.application, ["--help"], env={"COLUMNS": "80"}).output.split())
    for kind in kinds():
        assert re.search(rf"[ ;]{kind.exit_code} [a-zA-Z]", shown), kind
    assert " 130 ended by Ctrl-C" in shown


def test_errors_are_told_without_a_traceback_and_set_the_exit_code(tmp_path: Path) -> None:
    command = [SYNALIGN, "check", str(tmp_path / "none.yaml")]
    plain = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (plain.returncode, plain.stdout) == (errors.ConfigurationError.exit_code, "")
    assert plain.stderr.startswith(f"ConfigurationError: {tmp_path / 'none.yaml'}: cannot be read")
    assert "What to do: " in plain.stderr and "Traceback" not in plain.stderr
    told = subprocess.run([SYNALIGN, "--debug", *command[1:]], capture_output=True, text=True, check=False)
    assert told.returncode == plain.returncode
    assert "Traceback (most recent call last)" in told.stderr
    assert told.stderr.endswith(plain.stderr)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_no_error_prints_a_traceback_and_each_has_its_exit_code(
    kind: type[SynAlignError], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = kind("x", 1, "must be 2") if kind is errors.ArgumentError else kind("it is broken.", remedy="mend it")
    assert failing(error, monkeypatch) == kind.exit_code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == f"{kind.__name__}: {error}".splitlines()


def test_what_nobody_expected_is_told_in_three_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(ZeroDivisionError("division by zero"), monkeypatch) == 1
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "ZeroDivisionError: division by zero"
    assert [line.split(":")[0] for line in others] == ["Likely cause", "What to do"]
    assert failing(ZeroDivisionError("division by zero"), monkeypatch, "--debug") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_long_error_fits_on_a_screen_with_what_to_do_at_its_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = errors.ConfigurationError("\n".join(f"mistake {n}" for n in range(200)), remedy="mend them")
    failing(error, monkeypatch)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) <= 25
    assert lines[0] == "ConfigurationError: mistake 0" and lines[-1] == "What to do: mend them"
    assert "more lines" in "".join(lines)
    failing(error, monkeypatch, "--debug")
    assert "mistake 150" in capsys.readouterr().err


@pytest.mark.parametrize("options", [(), ("--debug",)])
def test_neither_an_error_nor_its_traceback_holds_a_secret(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Libraries quote the address that they could not reach, login and all."""
    monkeypatch.setenv("MODEL_API_KEY", "canary-5b1c77")
    error = errors.RegistryError("MLflow refused.")
    error.__cause__ = OSError("http://team:hunter2@mlflow:5000 is away, said canary-5b1c77")
    for kind in (error, error.__cause__):
        failing(kind, monkeypatch, *options)
        said = capsys.readouterr().err
        assert "hunter2" not in said and "canary" not in said
        assert "mlflow:5000" in said or kind is error


def failing(error: Exception, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """The exit code of `synalign check x` where checking raises an error."""

    def load(file: Path) -> None:
        raise error

    monkeypatch.setattr("synalign.retriever_files.load", load)
    monkeypatch.setattr(sys, "argv", ["synalign", *options, "check", "x"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_ctrl_c_ends_any_command_with_130_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def load(file: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("synalign.retriever_files.load", load)
    monkeypatch.setattr(sys, "argv", ["synalign", "check", "x"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert "Traceback" not in capsys.readouterr().err


def test_the_version_is_that_of_the_package() -> None:
    shown = CliRunner().invoke(cli.application, ["--version"])
    assert re.fullmatch(r"synalign \d+\.\d+\.\d+\n", shown.output)
