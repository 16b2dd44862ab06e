"""The map: real queries, and written ones by weight, as two panels and the list of texts that hovering shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from markupsafe import Markup, escape

from synalign.config.schemes import ALIGNED, EQUAL, NAMES
from synalign.drawing.svg import EMPTY, number
from synalign.report.population import KINDS, drawn
from synalign.report.projection import project
from synalign.text.numbers import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.report.population import Population, Queries

MOST = 2_000
"""Most points of a kind."""

SIDE = 1_000
"""Width and height of a panel's view box."""

EDGE = 30
"""Room around the points, for the largest circles."""

RADIUS = 6.5
"""Radius of a written query of weight 1; its area grows as its weight does."""

LEAST_RADIUS = 1.0
"""Circles smaller than this are not drawn: their weight is below a fortieth of the mean."""

LONGEST = 110
"""Characters shown of a text."""

MOST_BYTES = 600_000
"""Of all texts together, as they stand in the file."""


class Point(NamedTuple):
    """One query on the map.

    Attributes:
        x: From the left, in the view box.
        y: From the top.
        text: What it says; a stranger wrote it.
        weights: By kind of weights (`weighted`, `mass`), as multiples of the mean; empty for a real query.
    """

    x: int
    y: int
    text: str
    weights: dict[str, float]


class Panel(NamedTuple):
    """The written queries under one weighting.

    Attributes:
        scheme: The weighting.
        kind: Its class in the style sheet.
        title: Its name in words.
        circles: The queries as circles, areas by weight.
    """

    scheme: str
    kind: str
    title: str
    circles: Markup


class Map(NamedTuple):
    """What the template draws.

    Attributes:
        real: Real queries, in the order of the sample.
        written: Written queries, heaviest first.
        dots: The real queries as marks.
        panels: The written queries under each weighting, equal weights first.
    """

    real: list[Point]
    written: list[Point]
    dots: Markup
    panels: list[Panel]


def layout(people: Population) -> Map:
    """Lay out a sample of both sides together."""
    real, written = (drawn(len(side.ids), MOST) for side in (people.real, people.written))
    real, written = _affordable(people, real, written)
    places = project(np.concatenate([people.real.vectors[real], people.written.vectors[written]]))
    spots = np.rint(EDGE + (SIDE - 2 * EDGE) * places).astype(np.int64)
    dots = _points(people.real, real, spots[: len(real)], {})
    weights = {KINDS[scheme]: values[written] for scheme, values in people.weights.items() if scheme != EQUAL}
    rings = _points(people.written, written, spots[len(real) :], weights)
    rings.sort(key=lambda point: -point.weights.get(KINDS[ALIGNED], 1.0))
    panels = [Panel(scheme, KINDS[scheme], NAMES[scheme], _circles(rings, KINDS[scheme])) for scheme in people.weights]
    return Map(dots, rings, _dots(dots), panels)


def _affordable(
    people: Population, real: NDArray[np.int64], written: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Keep fewer points where their texts would make the file too large."""
    size = sum(
        len(escape(shown(side.texts[row], LONGEST)).encode("utf-8", "replace"))
        for side, rows in ((people.real, real), (people.written, written))
        for row in rows
    )
    part = min(1.0, MOST_BYTES / max(1, size))
    kept_real, kept_written = (rows[drawn(len(rows), max(1, int(part * len(rows))))] for rows in (real, written))
    return kept_real, kept_written


def _points(
    queries: Queries, rows: NDArray[np.int64], places: NDArray[np.int64], weights: dict[str, NDArray[np.float64]]
) -> list[Point]:
    return [
        Point(int(x), int(y), queries.texts[row], {kind: float(values[place]) for kind, values in weights.items()})
        for place, (row, (x, y)) in enumerate(zip(rows, places, strict=True))
    ]


def _dots(points: Sequence[Point]) -> Markup:
    """Draw all real queries as one path: a line of no length with round ends is a dot, in a dozen bytes."""
    return Markup('<path class="dots" d="{}"/>').format("".join(f"M{point.x} {point.y}h0" for point in points))


def _circles(points: Sequence[Point], kind: str) -> Markup:
    """Draw circles whose areas are as the weights; the heaviest first, so that no circle hides a smaller one."""
    shape = Markup('<circle cx="{}" cy="{}" r="{}"/>')
    return EMPTY.join(
        shape.format(point.x, point.y, number(radius, 1))
        for point in sorted(points, key=lambda point: -point.weights.get(kind, 1.0))
        if (radius := RADIUS * point.weights.get(kind, 1.0) ** 0.5) >= LEAST_RADIUS
    )
