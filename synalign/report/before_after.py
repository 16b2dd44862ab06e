"""Before and after weighting, as a picture: where real and written queries lie, and what they are like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from synalign.config.schemes import ALIGNED, EQUAL, EQUAL_MASS, NAMES
from synalign.drawing.svg import dumbbell
from synalign.report import distributions, query_map
from synalign.report.distributions import Distribution, Side
from synalign.report.population import KINDS, MOST, decided, drawn, population, vectors_of
from synalign.report.section import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.report.material import Material
    from synalign.report.population import Population

ROWS_AT_ONCE = 1_000
"""Queries compared with all demonstrations together: 20 MB of cosines."""


NO_BATCHES = np.empty(0, np.int64)
"""Where nobody asks for batches."""


class Legend(NamedTuple):
    """One kind of query in the figures.

    Attributes:
        key: `real` or a scheme, as in `Distribution`.
        kind: Class in the style sheet.
        label: In words.
        short: As the head of a narrow column.
    """

    key: str
    kind: str
    label: str
    short: str


def section(material: Material) -> Section | None:
    """Show the map and the distributions; None where nothing is written and embedded yet."""
    people = population(material)
    if people is None:
        return None
    legend = _legend(list(people.weights))
    content: dict[str, Any] = {
        "map": query_map.layout(people),
        "side": query_map.SIDE,
        "people": people,
        "held_out": material.metrics("align").get("real_held_out", 0),
        "decided": decided(material),
        "legend": legend,
        "figure": lambda row, most: dumbbell(
            row.shares["real"], [(entry.kind, row.shares[entry.key]) for entry in legend[1:]], most
        ),
        "measured": distributions.measured(_sides(people, None)),
        "named": _named(material, people),
    }
    return Section("before-after", "Before and after", "before_after.html", content)


def _legend(schemes: list[str]) -> list[Legend]:
    short = {EQUAL: "raw", EQUAL_MASS: "per doc", ALIGNED: "aligned"}
    written = [Legend(scheme, KINDS[scheme], f"written, {NAMES[scheme]}", short[scheme]) for scheme in schemes]
    return [Legend("real", "real", "real", "real"), *written]


def _sides(people: Population, batches: tuple[NDArray[np.int64], NDArray[np.int64]] | None) -> list[Side]:
    real, written = batches or (NO_BATCHES, NO_BATCHES)
    return [
        Side(people.real.texts, real, {"real": np.ones(len(people.real.ids))}),
        Side(people.written.texts, written, people.weights),
    ]


def _named(material: Material, people: Population) -> list[Distribution]:
    """List distributions of what only the model can tell."""
    if not material.has("demonstrations", "attributes"):
        return []
    shown = material.table("demonstrations", ["batch_id", "query_id"])
    batches = {batch: place for place, batch in enumerate(dict.fromkeys(shown["batch_id"].to_pylist()))}
    columns = ["batch_id", "name", "value", "generalised"]
    table = material.table("attributes", columns)
    rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
    values = distributions.seen_values(rows, batches)
    if not values:
        return []
    shown = shown.take(drawn(shown.num_rows, MOST))
    vectors = vectors_of(material, "query_embeddings", shown["query_id"].to_pylist())
    of_row = np.array([batches[batch] for batch in shown["batch_id"].to_pylist()])
    real, written = (of_row[_nearest(side.vectors, vectors)] for side in (people.real, people.written))
    return distributions.named(values, _sides(people, (real, written)))


def _nearest(rows: NDArray[np.float32], targets: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the row of `targets` most like each of `rows`, in cosine."""
    panels = [rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE)]
    return np.concatenate([np.argmax(panel @ targets.T, axis=1) for panel in panels])
