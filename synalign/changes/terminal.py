"""What changed, as tables in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from synalign.changes import telling
from synalign.changes.compare import Changes
from synalign.changes.rows import Example
from synalign.text.numbers import count, counted, figure, share, shown

_TEXT_CHARACTERS = 120
_WHY_CHARACTERS = 600


def show(changes: Changes, console: Console) -> None:
    """Print what changed.

    Texts of logs and models are shown as they are: nothing in them is taken for markup or for a terminal's commands.
    """
    console.print(_title(changes))
    for line in telling.headline(changes):
        console.print(Text(f"  {line}"), soft_wrap=not console.is_terminal)
    if changes.same:
        return
    for title, body in _sections(changes):
        console.print(Text(f"\n{title}", style="bold"))
        console.print(Padding(body, (0, 0, 0, 2), expand=False))


def _title(changes: Changes) -> Text:
    before, after = changes.before, changes.after
    return Text.assemble((before.name, "bold"), (" \u2192 ", "dim"), (after.name, "bold"))


def _sections(changes: Changes) -> Iterator[tuple[str, RenderableType]]:
    yield "Rows", _rows(changes)
    yield "Written rows", _lineage(changes)
    if changes.drift is not None:
        yield "Traffic", _traffic(changes)
    yield "Weights", _table(telling.weights_lines(*changes.rows.weights))
    if changes.rows.shifted:
        yield "Documents whose share of the synthetic weight changed most", _shifted(changes)
    if changes.rows.reweighed:
        yield "Written queries whose weight changed most", _reweighed(changes)
    yield "Figures", _table(telling.lines(changes.figures), grouped=True)
    yield "Done differently", _differences(changes)


def _rows(changes: Changes) -> RenderableType:
    table = _empty("source", "before", "after", "stayed", "came", "went")
    for source, counts in changes.rows.counts.items():
        table.add_row(source, *(count(number) for number in counts[:5]))
    parts: list[RenderableType] = [table]
    if changes.rows.moved:
        parts.append(Text(f"{counted(changes.rows.moved, 'row')} that stayed: in another split now.", style="dim"))
    if changes.rows.came_true:
        came_true = counted(changes.rows.came_true, "pair")
        parts.append(Text(f"{came_true} that had been written: real now.", style="dim"))
    before, after = changes.rows.weights
    parts += _examples(telling.heaviest(after, "came"), changes.rows.came)
    parts += _examples(telling.heaviest(before, "went"), changes.rows.went)
    return Group(*parts)


def _lineage(changes: Changes) -> Table:
    table = _empty("", "rows")
    table.add_column("", overflow="fold")
    for fate in telling.fates(changes.lineage):
        table.add_row(_stranger(fate.name), count(fate.number), Text(shown(fate.why, _WHY_CHARACTERS), style="dim"))
    return table


def _traffic(changes: Changes) -> RenderableType:
    assert changes.drift is not None
    parts: list[RenderableType] = [Text(telling.looked_at(changes.drift), style="dim")]
    if changes.drift.significant:
        for title, queries in (("more like these", changes.drift.came), ("fewer like these", changes.drift.went)):
            parts += [Text(title, style="dim"), *(_quoted(query) for query in queries)] if queries else []
    return Group(*parts)


def _shifted(changes: Changes) -> Table:
    table = _empty("document", "before", "after")
    for row in changes.rows.shifted:
        table.add_row(_stranger(row.document), share(row.before), share(row.after))
    return table


def _reweighed(changes: Changes) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("query")
    table.add_column("document")
    for name in ("before", "after"):
        table.add_column(name, justify="right")
    for row in changes.rows.reweighed:
        table.add_row(_stranger(row.query), _stranger(row.document), figure(row.before), figure(row.after))
    return table


def _differences(changes: Changes) -> RenderableType:
    if not changes.differences:
        return Text("nothing: settings, versions, prompts and input files are the same", style="dim")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("kind", "what", "before", "after"):
        table.add_column(name, overflow="fold")
    for one in changes.differences:
        texts = (_stranger(telling.setting(text, one.kind)) for text in (one.before, one.after))
        table.add_row(one.kind, _stranger(one.name), *texts, style=None if one.matters else "dim")
    return table


def _table(lines: Sequence[telling.Line], *, grouped: bool = False) -> Table:
    table = _empty("", "before", "after", "change")
    for place, line in enumerate(lines):
        if grouped and (place == 0 or lines[place - 1].group != line.group):
            table.add_row(Text(line.group, style="dim"), "", "", "")
        table.add_row(f"  {line.name}" if grouped else line.name, line.before, line.after, line.change)
    return table


def _empty(first: str, *numbers: str) -> Table:
    """Return an empty table with one column of names and some of figures."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(first)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _examples(title: str, examples: tuple[Example, ...]) -> list[RenderableType]:
    if not examples:
        return []
    shown_ones = (Text.assemble(_quoted(one.query), (f"  for {shown(one.document, 60)}", "dim")) for one in examples)
    return [Text(title, style="dim"), *shown_ones]


def _quoted(query: str) -> Text:
    return Text.assemble("  \u201c", _stranger(query), "\u201d")


def _stranger(text: str) -> Text:
    return Text(shown(" ".join(text.split()), _TEXT_CHARACTERS))
