"""Draw the rooms of the package in their layers: `make layers`, or `python -m tests.layers docs/layers.svg`.

The order is that of `.importlinter`, what a room is for is said in CONTRIBUTING.md, and what it imports is read from
the code. An arrow names the nearest rooms below: what those import in turn is left out.
"""

from __future__ import annotations

import configparser
import re
import sys
from functools import cache
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "layers.svg"

WIDTH, MARGIN, GAP, PADDING = 900, 12, 8, 10
_HEAD, _ONE_LINE, _LINE = 34, 28, 15
_TEXT = 5.9
"""Pixels of a letter in the widest of the usual fonts, for breaking lines: a picture cannot measure them."""

_STYLE = """
  svg { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif; font-size: 11px; }
  .page { fill: #ffffff; } .room { fill: #f1f5f9; stroke: #c6d2de; }
  .name { fill: #12283a; font-size: 13px; font-weight: 600; } .what { fill: #2c4357; } .below { fill: #5a6f82; }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0f1720; } .room { fill: #1b2733; stroke: #35485a; }
    .name { fill: #eef4fa; } .what { fill: #c9d6e2; } .below { fill: #93a7b9; }
  }
"""


def layers() -> list[list[str]]:
    """Return the rooms of each layer, the highest first, as `.importlinter` has them."""
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter", encoding="utf-8")
    lines = contract["importlinter:contract:rooms"]["layers"].split("\n")
    return [re.findall(r"\w+", line) for line in lines if line.strip()]


def purposes() -> dict[str, str]:
    """Return what each room is for, from the map of folders in CONTRIBUTING.md."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `synalign/(\w+)(?:/|\.py)` \| ([^|]+) \|", page, re.MULTILINE)
    return {room: what.strip() for room, what in rows}


@cache
def imports() -> dict[str, set[str]]:
    """Return the rooms that each room imports; an import that only the type checker reads does not count."""
    graph = grimp.build_graph("synalign", exclude_type_checking_imports=True, cache_dir=None)
    found: dict[str, set[str]] = {room: set() for layer in layers() for room in layer}
    for module in graph.modules:
        _, _, inside = module.partition(".")
        room = inside.partition(".")[0]
        for other in graph.find_modules_directly_imported_by(module):
            imported = other.partition(".")[2].partition(".")[0]
            if room and imported and imported != room:
                found[room].add(imported)
    return found


def nearest(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out of each room's imports what another of them imports, directly or not.

    Examples:
        >>> nearest({"steps": {"run", "errors"}, "run": {"errors"}, "errors": set()})["steps"]
        {'run'}
    """

    @cache
    def below(room: str) -> set[str]:
        return found[room].union(*(below(each) for each in found[room]))

    return {room: others - set().union(*(below(each) for each in others)) for room, others in found.items()}


def wrapped(text: str, width: float) -> list[str]:
    """Break a text into lines that fit."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and len(longer) * _TEXT > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def picture() -> str:
    """Return the SVG."""
    rows, known, arrows = layers(), purposes(), nearest(imports())
    order = [room for row in rows for room in row]
    below = {room: ", ".join(sorted(arrows[room], key=order.index)) for room in order}
    body, top = [], float(_HEAD)
    for row in rows:
        if len(row) == 1:
            body += _alone(row[0], known[row[0]], below[row[0]], top)
            top += _ONE_LINE + GAP
            continue
        width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row)
        texts = [(wrapped(known[room], width - 2 * PADDING), _arrow(below[room], width - 2 * PADDING)) for room in row]
        height = 28 + _LINE * max(len(what) + len(arrow) for what, arrow in texts)
        for place, (room, (what, arrow)) in enumerate(zip(row, texts, strict=True)):
            body += _beside(room, what, arrow, MARGIN + place * (width + GAP), top, width, height)
        top += height + GAP
    height = top - GAP + MARGIN
    title = "A room imports only rooms below it. \N{DOWNWARDS ARROW} names the nearest; they bring the rest."
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" role="img">',
        f"<title>The rooms of synalign/ in their layers. {title}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height:g}" rx="8"/>',
        _text("below", MARGIN + 2, 22, title),
    ]
    return "\n".join([*head, *body, "</svg>"]) + "\n"


def _alone(room: str, what: str, below: str, top: float) -> list[str]:
    """Draw a room that has a layer for itself: one line."""
    arrow = f"\N{DOWNWARDS ARROW} {below}" if below else ""
    return [
        _box(MARGIN, top, WIDTH - 2 * MARGIN, _ONE_LINE),
        _text("name", MARGIN + PADDING, top + 19, room),
        _text("what", MARGIN + 120, top + 19, what),
        _text("below", MARGIN + 400, top + 19, arrow),
    ]


def _beside(
    room: str, what: list[str], below: list[str], left: float, top: float, width: float, height: float
) -> list[str]:
    """Draw a room that shares its layer."""
    parts = [_box(left, top, width, height), _text("name", left + PADDING, top + 18, room)]
    lines = [("what", line) for line in what] + [("below", line) for line in below]
    for place, (kind, line) in enumerate(lines):
        parts.append(_text(kind, left + PADDING, top + 34 + _LINE * place, line))
    return parts


def _arrow(below: str, width: float) -> list[str]:
    return wrapped(f"\N{DOWNWARDS ARROW} {below}", width) if below else []


def _box(left: float, top: float, width: float, height: float) -> str:
    return f'<rect class="room" x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="5"/>'


def _text(kind: str, left: float, base: float, text: str) -> str:
    return f'<text class="{kind}" x="{left:g}" y="{base:g}">{escape(text)}</text>'


def main() -> None:
    """Write the picture to the file of the arguments, or where the pages show it."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    target.write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
