"""A picture that is a file of its own, for pages that are not ours, such as MLflow's viewer of artefacts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib import resources

from markupsafe import Markup

from synalign.drawing.svg import EMPTY
from synalign.text.numbers import shown


def picture(width: int, height: int, label: str, parts: Iterable[Markup]) -> str:
    """Return an SVG file that loads nothing.

    It has its colours in light and in dark and a ground of its own, so that it can be read on any page.

    Args:
        width: Of the view box, and of the picture where a page does not scale it.
        height: Likewise.
        label: What the picture shows, for who cannot see it.
        parts: What is drawn.

    Returns:
        XML; the same parts give the same text.
    """
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="chart" width="{w}" height="{h}" viewBox="0 0 {w} {h}" '
        'role="img" aria-label="{label}">\n<style>{style}</style>\n<rect class="card" width="{w}" height="{h}"/>{parts}'
        "\n</svg>\n"
    ).format(w=width, h=height, label=shown(label), style=Markup(style_sheet()), parts=EMPTY.join(parts))


@cache
def style_sheet() -> str:
    """Return colours and shapes of all charts, as CSS."""
    folder = resources.files(__package__)
    return "\n".join(folder.joinpath(name).read_text(encoding="utf-8").strip() for name in ("colours.css", "chart.css"))
