"""The command `synalign`: what it can do, how it fails, and the commands that run things."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from synalign import installed, masking
from synalign.cli import experiment as cli_experiment
from synalign.cli import export as cli_export
from synalign.cli import forget as cli_forget
from synalign.cli import gc as cli_gc
from synalign.cli import look as cli_look
from synalign.cli import preview as cli_preview
from synalign.cli import refresh as cli_refresh
from synalign.cli import setup as cli_setup
from synalign.cli import train as cli_train
from synalign.errors import SynAlignError
from synalign.processes.interruption import INTERRUPTED, Interrupted, interruptible

LONGEST_ERROR = 24
"""Lines of an error that fit on a screen."""

EXIT_CODES = """
    Exit codes:  0 done; 1 failed; 2 wrong configuration or arguments; 3 query
    log or documents unusable; 4 run missing, stale or damaged; 5 another
    process works on the same interval; 6 language model or its answers
    unusable; 7 MLflow unreachable or at odds with the run; 8 something is
    missing on this machine; 9 a disk is full, or storage is away; 130 ended
    by Ctrl-C.
"""


@contextmanager
def _left_to_main() -> Iterator[None]:
    """Pass Ctrl-C by typer, which would exit without a word."""
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(INTERRUPTED) from None


class _Interruptible(TyperGroup):
    """Commands that `main` meets Ctrl-C of."""

    def make_context(self, *arguments: Any, **named: Any) -> Any:
        """Read the command line."""
        with _left_to_main():
            return super().make_context(*arguments, **named)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        with _left_to_main():
            return super().invoke(ctx)


application = typer.Typer(
    cls=_Interruptible,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=f"""Refresh a retriever's training set: real pairs, and written queries weighted to be distributed like them.

    To begin with:  synalign doctor, then synalign refresh (made data, a
    writer that needs no model), then synalign init my.yaml.
    {EXIT_CODES}
    Example: synalign refresh my.yaml
    """,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"synalign {version('synalign')}")
        raise typer.Exit


class _Debug:
    """Return whether errors are shown with their traceback."""

    wanted = False


@application.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Remember what holds for every command; `--help` shows the application's own text."""
    _Debug.wanted = debug


# `--help` lists them in this order.
PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Before the first refresh": (
        cli_setup.init,
        cli_setup.schema,
        cli_setup.doctor,
        cli_setup.check,
        cli_preview.preview,
        cli_setup.demo_data,
    ),
    "Refreshing": (cli_refresh.estimate, cli_refresh.refresh, cli_refresh.up, cli_refresh.down),
    "Looking at what came of it": (cli_look.show, cli_look.report, cli_look.compare, cli_experiment.lineage),
    "Training on it": (cli_train.train, cli_export.export),
    "Keeping house": (cli_gc.gc, cli_forget.forget),
}
for panel, commands in PANELS.items():
    for command in commands:
        application.command(rich_help_panel=panel)(command)
application.add_typer(cli_experiment.experiment, name="experiment", rich_help_panel="Testing it online")


def main() -> None:
    """Entry point: errors as text with their exit code, and a traceback only for those who ask for it."""
    masking.mask_logs()
    try:
        with interruptible(kept="Nothing is damaged."):
            application()
    except SynAlignError as error:
        _fail(error, f"{type(error).__name__}: {error}", error.exit_code)
    except Exception as error:
        lacking = installed.lacking() if isinstance(error, ImportError) else None
        if lacking is not None:
            _fail(error, f"{type(lacking).__name__}: {lacking}", lacking.exit_code)
        cause = masking.mask(f"{type(error).__name__}: {error}".rstrip(": "))
        _fail(error, f"{cause}\nLikely cause: a fault in SynAlign.\nWhat to do: {_remedy()}", SynAlignError.exit_code)


def _fail(error: Exception, text: str, code: int) -> NoReturn:
    """Say what went wrong on standard error, on one screen at most."""
    if _Debug.wanted:
        # Its causes are libraries' errors, which quote addresses and keys; and people are asked to report it.
        sys.stderr.write(masking.mask("".join(traceback.format_exception(error))))
    lines = text.splitlines()
    if len(lines) > LONGEST_ERROR and not _Debug.wanted:
        # What to do stands last.
        left_out = f"... {len(lines) - LONGEST_ERROR} more lines; `synalign --debug ...` shows them all ..."
        lines = [*lines[: LONGEST_ERROR - 3], left_out, *lines[-3:]]
    typer.echo("\n".join(lines), err=True)
    raise SystemExit(code)


def _remedy() -> str:
    return f"report it with the traceback that `synalign --debug {' '.join(sys.argv[1:2])} ...` shows"
