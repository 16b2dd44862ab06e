"""A preview in the terminal: the verdict first, then batch by batch what was shown, asked, answered and judged.

Of each kind of request a batch shows the first whole; the HTML page shows all.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from synalign.preview import telling
from synalign.preview.findings import ACCEPTED, Asked, Attribute, Preview, Shown
from synalign.text.numbers import counted, shown, words

LONGEST = 4_000
"""Characters of a prompt or an answer that are shown."""

_STYLES = {"good": "bold green", "caution": "bold yellow", "bad": "bold red"}
_SHOWN = 12


def show(found: Preview, console: Console) -> None:
    """Print a preview; nothing in the texts of logs and models is taken for markup or for a terminal's commands."""
    console.print(Text.assemble((found.retriever, "bold"), ": a preview; nothing is registered"))
    _say(console, telling.headline(found), _STYLES[telling.level(found)])
    for warning in found.warnings:
        _say(console, f"Warning: {warning.text}", "yellow")
        _say(console, f"What to do: {warning.remedy}", "bold")
    for line in (*telling.basis(found), *telling.costs(found.rate)):
        _say(console, line)
    for number, batch in enumerate(found.batches, start=1):
        _batch(console, number, batch)
    console.print()
    _say(console, f"Answers are kept in {found.journal}: the same preview again costs nothing.", "dim")


def _batch(console: Console, number: int, batch: Shown) -> None:
    console.print()
    console.rule(Text(f"Batch {number}"), align="left", style="dim")
    _heading(console, "Demonstrations")
    _list(console, batch.demonstrations)
    if batch.shots:
        _heading(console, "Demonstrations with their documents")
        _list(console, (f"{query}  <-  {document}" for query, document in batch.shots))
    _heading(console, "Attributes")
    _list(console, map(_attribute, batch.attributes))
    seen: set[str] = set()
    for asked in batch.requests:
        if asked.kind not in seen:
            seen.add(asked.kind)
            _request(console, asked)
    others = len(batch.requests) - len(seen)
    if others:
        _say(console, f"and {counted(others, 'request')} more like these; --html shows all", "dim")
    _heading(console, f"Queries: {len(batch.queries):,} of {batch.asked_for:,} asked for")
    _indented(console, _queries(batch))


def _request(console: Console, asked: Asked) -> None:
    _heading(console, f"Request {asked.kind}: {telling.ended(asked)}")
    for role, content in asked.messages:
        _panel(console, role, content, "dim")
    if asked.answer:
        _panel(console, "answer", asked.answer, "cyan")


def _queries(batch: Shown) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("query", "verdict", "document", "why"):
        table.add_column(name, overflow="fold")
    for query in batch.queries:
        style = "green" if query.verdict == ACCEPTED else "yellow"
        verdict = Text(words(query.verdict), style=style)
        table.add_row(_text(query.query, 160), verdict, _text(query.document, 60), _text(query.why))
    return table


def _attribute(attribute: Attribute) -> str:
    seen, added = (", ".join(values[:_SHOWN]) for values in (attribute.seen, attribute.generalised))
    source = "measured" if attribute.measured else "named by the model"
    return f"{attribute.name} ({source}): {seen}{f'; added: {added}' if added else ''}"


def _list(console: Console, lines: Iterable[str]) -> None:
    every = list(lines)
    for line in every[:_SHOWN]:
        _indented(console, _text(line))
    if len(every) > _SHOWN:
        _indented(console, Text(f"and {len(every) - _SHOWN:,} more", style="dim"))
    if not every:
        _indented(console, Text("none", style="dim"))


def _panel(console: Console, title: str, text: str, style: str) -> None:
    _indented(console, Panel(_text(text, LONGEST), title=Text(title), title_align="left", border_style=style))


def _heading(console: Console, line: str) -> None:
    console.print()
    _say(console, line, "bold")


def _say(console: Console, line: str, style: str = "") -> None:
    _indented(console, Text(shown(line, LONGEST), style=style), 2)


def _indented(console: Console, content: RenderableType, columns: int = 4) -> None:
    console.print(Padding(content, (0, 0, 0, columns)))


def _text(text: str, limit: int = 300) -> Text:
    # Text, not markup: what is shown may have brackets.
    return Text(shown(text, limit))
