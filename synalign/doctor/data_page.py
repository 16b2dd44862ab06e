"""What was found in a source's data, for people: one block for each question, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from synalign.local.display import printable

_NAMES = {
    "log": "a query log and its documents",
    "ubi": "User Behavior Insights and the documents",
    "beir": "a BEIR folder",
    "labelled": "texts with labels",
}


def show(found: dict[str, Any], console: Console | None = None) -> None:
    """Print it; what the data says is shown without what would move the cursor."""
    console = console or Console(highlight=False)
    console.print(_text(f"{found['retriever']}: {_NAMES[found['kind']]}", "bold"))
    for name, block in _blocks(found):
        grid = Table.grid(padding=(0, 2))
        grid.add_column(width=10, style="bold")
        grid.add_column(overflow="fold")
        grid.add_row(f"  {name}", block)
        console.print(grid)


def _text(line: str, style: str = "") -> Text:
    # Text, not markup: what was found may have brackets.
    return Text(printable(line), style=style)


def _lines(*lines: str) -> Text:
    return Text("\n").join(map(_text, lines))


def _blocks(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "files", _lines(*found["said"])
    yield "columns", _lines(*(f"{name}: {', '.join(map(str, names))}" for name, names in found["columns"].items()))
    rows = found["rows"]
    yield "sample", _lines(f"{rows['rows']:,} rows: {found['sample']}")
    if found["examples"]:
        yield "rows", _examples(found["examples"])
    if found["window"] is not None:
        yield "window", _window(found["window"], rows)
    if found["ids"] is not None and found["ids"]["share"] is not None:
        yield "ids", _ids(found["ids"])
    yield "encoder", _encoder(found["encoder"])
    yield "rejected", _rejected(found["rejected"])
    for warning in found["warnings"]:
        yield "warning", _text(warning, "yellow")
    if not found["problems"]:
        yield "verdict", _text(f"the data can be used: {rows['usable']:,} of {rows['rows']:,} rows are usable", "green")
    for problem in found["problems"]:
        yield "problem", _text(problem["text"], "bold red")
        yield "", _text(f"what to do: {problem['remedy']}", "bold")


def _examples(examples: list[dict[str, Any]]) -> Table:
    """Return a table of a few rows as SynAlign reads them."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("time (UTC)", "query", "document", "clicks", ""):
        table.add_column(name, overflow="fold")
    for row in examples:
        document = " ".join(filter(None, [row["document_id"], row["document"] and f"({row['document'][:50]})"]))
        fate = row["rejected"] or ("" if row["inside"] else "outside the window")
        cells = (row["time"] or "none", row["query"] or "none", document or "none", str(row["clicks"] or "none"), fate)
        table.add_row(*map(_text, cells))
    return table


def _window(window: dict[str, Any], rows: dict[str, int]) -> Text:
    start, end = window["interval"]
    times = f"{window['first']} to {window['last']} UTC" if window["first"] else "no time that can be read"
    return _lines(
        f"{window['from']} to {window['to']} UTC: {window['days']} days up to the end of the interval",
        f"the interval: {start} to {end} UTC",
        f"times of the rows: {times}; {rows['inside']:,} of {rows['rows']:,} rows are inside",
    )


def _ids(ids: dict[str, Any]) -> Text:
    lines = [f"{ids['joined']:,} of {ids['rows']:,} rows ({ids['share']:.1%}) name a document that is there"]
    if ids["unknown"] is not None:
        lines.append(f"not there: {ids['unknown']!r}")
    if ids.get("hint"):
        lines += [ids["hint"][0], f"what to do: {ids['hint'][1]}"]
    return _lines(*lines)


def _encoder(encoder: dict[str, Any]) -> Text:
    lines = []
    for name in ("queries", "documents"):
        reading = encoder.get(name)
        if reading:
            lines.append(
                f"{encoder['model']} does not know {reading['unknown_tokens']:.1%} of the tokens of "
                f"{reading['texts']:,} {name}; {reading['unreadable']:.1%} of them are lost"
            )
            lines += [f"lost: {text!r}" for text in reading["examples"]]
    return _lines(*(lines or [f"{encoder['model']}: its tokenizer does not say what it does not know"]))


def _rejected(rejected: list[dict[str, Any]]) -> Text:
    lines = []
    for one in rejected:
        lines.append(f"{one['rows']:,} of the {one['table']}: {one['rule']}, {one['reason']}")
        lines += [f"  {one['example']}"] if one["example"] else []
    return _lines(*(lines or ["nothing"]))
