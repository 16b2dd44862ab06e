"""What a refresh shows while it runs: bars in a terminal, plain lines in a pipe or a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from synalign import flow
from synalign.progress import Event, duration, per_second

_STATE = re.compile(r"INFO (?P<step>\w+): (?P<state>started|done|reused|waiting)\b(?P<rest>.*)")
_SECONDS = re.compile(r" in (?P<seconds>[0-9.]+) s")
_ERROR = re.compile(r"\w+Error: ")
_FIRST, _IDLE = "Airflow gets ready", "Airflow starts the next step"
_MARKS = {"done": ("✓", "green"), "reused": ("✓", "green"), "waiting": ("·", "yellow"), "failed": ("✗", "red")}


class State(NamedTuple):
    """State of a step as a line of its job tells it.

    Attributes:
        step: The step.
        state: `started`, `done`, `reused` or `waiting`.
        rest: What the line says after that.
    """

    step: str
    state: str
    rest: str


def state(line: str) -> State | None:
    """Return the state of a step that a line of the log tells; None where the line tells none.

    >>> state("INFO embed: done in 41.7 s")
    State(step='embed', state='done', rest=' in 41.7 s')
    """
    found = _STATE.fullmatch(line)
    if found is None or found["step"] not in {step.name for step in flow.STEPS}:
        return None
    return State(found["step"], found["state"], found["rest"])


class Display(Protocol):
    """Where a refresh shows how it goes.

    Attributes:
        progress: In which way jobs say how far they are, as `synalign.progress` has it.
    """

    progress: str

    def say(self, line: str) -> None:
        """Show a line that is meant for people: of a job's log, or our own."""

    def show(self, event: Event) -> None:
        """Show how far a piece of work is."""


class Lines:
    """Every line as it is; jobs log their progress as lines, too.

    Args:
        write: Called with each line.
    """

    progress = ""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write

    def say(self, line: str) -> None:
        """Show a line that is meant for people."""
        self._write(line)

    def show(self, event: Event) -> None:
        """Show how far a piece of work is; of a job that was told to print events."""
        self._write(event.line())


class Bars:
    """One line per step that has ended, what it said below it, and a bar for what is under way.

    Args:
        console: A terminal.
        bars: What draws the bar; it is drawing already.
    """

    progress = "json"

    def __init__(self, console: Console, bars: Progress) -> None:
        self._console, self._bars = console, bars
        self._bar = self._fresh(_FIRST)
        self._ended = 0
        self._step = ""
        self._notes: list[str] = []

    def say(self, line: str) -> None:
        """Show a line above the bar; one that says that a step began or ended moves the bar.

        What a step has to say is shown when it has ended, below its name; warnings and errors at once.
        """
        said = state(line)
        if said is None:
            self._note(line)
        elif said.state == "started":
            self._step = said.step
            self._next(f"{said.step} ({self._ended + 1} of {len(flow.STEPS)})")
        else:
            self._end(*said)

    def show(self, event: Event) -> None:
        """Draw how far a piece of work is."""
        total = event.total or None
        if total is None and self._bars.tasks[0].total is not None:
            self._next(self._bars.tasks[0].description)
        self._bars.update(self._bar, completed=event.done, total=total, figures=_figures(event), refresh=True)

    def _end(self, step: str, state: str, rest: str) -> None:
        self._ended += state in ("done", "reused")
        seconds = _SECONDS.match(rest)
        took = f"{float(seconds['seconds']):8.1f} s" if seconds else f"{state:>10}"
        told = rest if state == "waiting" else ""
        self._console.print(Text.assemble("  ", _MARKS[state], f" {step:<18}", (took, "bold"), (told, "dim")))
        for note in self._notes:
            self._print(note.removeprefix(f"{step}: "), "dim")
        self._notes.clear()
        self._step = ""
        self._next(_IDLE)

    def _next(self, description: str) -> None:
        """Begin to draw something else: a bar cannot forget its total."""
        self._bars.remove_task(self._bar)
        self._bar = self._fresh(description)

    def _fresh(self, description: str) -> TaskID:
        return self._bars.add_task(description, total=None, figures="")

    def _note(self, line: str) -> None:
        level, _, rest = line.partition(" ")
        if level == "INFO":
            self._notes.append(rest)
        elif level in ("WARNING", "ERROR", "CRITICAL"):
            self._print(f"{level.lower()}: {rest}", "yellow" if level == "WARNING" else "red")
        else:
            failed = _ERROR.match(line) is not None
            if failed and self._step:
                self._end(self._step, "failed", "")
            self._print(line, "red" if failed else "")

    def _print(self, text: str, style: str) -> None:
        self._console.print(Padding(Text(text, style), (0, 0, 0, 6)))


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """Bars where the console is a terminal, lines elsewhere."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield Lines(lambda line: console.print(line, markup=False, highlight=False, soft_wrap=True))
        return
    columns = (
        TextColumn(" "),
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        _Bar(bar_width=24),
        TextColumn("{task.fields[figures]}", markup=False, style="cyan"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield Bars(console, bars)


class _Bar(BarColumn):
    """A bar where it is known how much there is to do; else the spinner says enough."""

    def render(self, task: Task) -> Any:
        return super().render(task) if task.total else Text("")


def _figures(event: Event) -> str:
    parts = [event.amount]
    if event.rate:
        parts.append(f"{per_second(event.rate)}/s")
    if event.left is not None and event.done != event.total:
        parts.append(f"{duration(event.left)} left")
    if event.note:
        parts.append(event.note)
    return ", ".join(parts)


def printable(line: str) -> str:
    r"""Return a line without characters that move the cursor or change colours: it may quote a log or a model.

    >>> printable("a\x1b[31mb\tc")
    'a\ufffd[31mb\tc'
    """
    return "".join(character if character.isprintable() or character == "\t" else "\ufffd" for character in line)
