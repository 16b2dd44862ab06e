"""Small marks inside a table's row, as SVG made from numbers; the row says the same numbers in words.

Coordinates in per cent need no view box: marks stay round and lines thin at any width, on a phone as on a screen.
Colours are the style sheet's, by class.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

EMPTY = Markup("")


def number(value: float, digits: int = 2) -> str:
    """Write a coordinate, as short as it can be.

    Examples:
        >>> number(12.0), number(0.125), number(-0.001)
        ('12', '0.12', '0')
    """
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def text(kind: str, x: object, y: object, words: str, anchor: str = "start") -> Markup:
    """Write words at a place; they are escaped.

    Args:
        kind: Class of the text in the style sheet.
        x: From the left.
        y: Of the line that letters stand on, from the top.
        words: What it says.
        anchor: Which part of it is at the place: `start`, `middle` or `end`.
    """
    anchored = EMPTY if anchor == "start" else Markup(' text-anchor="{}"').format(anchor)
    return Markup('<text class="{}" x="{}" y="{}"{}>{}</text>').format(kind, x, y, anchored, words)


def bar(share: float, kind: str) -> Markup:
    """Draw a bar that fills a share of its cell.

    Args:
        share: In [0, 1]; what is outside is cut.
        kind: Class of the bar in the style sheet.

    Examples:
        >>> str(bar(0.5, "raw"))
        '<svg class="level" aria-hidden="true"><rect class="raw" width="50%" height="100%"/></svg>'
    """
    width = number(100.0 * min(1.0, max(0.0, share)))
    return Markup('<svg class="level" aria-hidden="true"><rect class="{}" width="{}%" height="100%"/></svg>').format(
        kind, width
    )


def dumbbell(target: float, marks: Sequence[tuple[str, float]], most: float) -> Markup:
    """Draw a target as an upright line, and marks that lie nearer to it or farther from it.

    Args:
        target: Where the line stands.
        marks: Class and place of each mark; a line joins the first and the last.
        most: The place at the right end, > 0; the left end is 0.
    """
    places = [(kind, _place(value / most)) for kind, value in marks]
    parts = [
        Markup('<line class="track" x1="{}%" x2="{}%" y1="50%" y2="50%"/>').format(_place(0.0), _place(1.0)),
        Markup('<line class="between" x1="{}%" x2="{}%" y1="50%" y2="50%"/>').format(places[0][1], places[-1][1])
        if len(places) > 1
        else EMPTY,
        Markup('<line class="target" x1="{0}%" x2="{0}%" y1="8%" y2="92%"/>').format(_place(target / most)),
        *(_mark(kind, place) for kind, place in places),
    ]
    return Markup('<svg class="dumbbell" aria-hidden="true">{}</svg>').format(EMPTY.join(parts))


def interval(
    value: float, ends: tuple[float, float] | None, span: tuple[float, float], reference: float, kind: str
) -> Markup:
    """Draw a value with its interval, beside a reference line.

    Args:
        value: The value.
        ends: Lower and upper end; None: there is no interval.
        span: What the left and the right edge stand for, the left less than the right.
        reference: Where the reference line stands.
        kind: Class of the mark in the style sheet.
    """

    def place(position: float) -> str:
        return _place((position - span[0]) / (span[1] - span[0]))

    parts = [Markup('<line class="reference" x1="{0}%" x2="{0}%" y1="0" y2="100%"/>').format(place(reference))]
    if ends is not None:
        line = '<line class="whisker {}" x1="{}%" x2="{}%" y1="50%" y2="50%"/>'
        parts.append(Markup(line).format(kind, place(ends[0]), place(ends[1])))
    parts.append(_mark(kind, place(value)))
    return Markup('<svg class="interval" aria-hidden="true">{}</svg>').format(EMPTY.join(parts))


def _mark(kind: str, place: str) -> Markup:
    return Markup('<circle class="mark {}" cx="{}%" cy="50%" r="4.5"/>').format(kind, place)


def _place(share: float) -> str:
    """Return a place from the left in per cent, with room for half a mark at either edge."""
    return number(4.0 + 92.0 * min(1.0, max(0.0, share)))
