"""A command as a person calls it, in a wide terminal."""

from typer.testing import CliRunner, Result

from synalign.cli import application


def call(*arguments: str) -> Result:
    return CliRunner().invoke(application, arguments, env={"COLUMNS": "200"})
