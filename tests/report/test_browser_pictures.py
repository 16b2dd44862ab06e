"""Pictures that MLflow shows, in a real browser: no word on another, none cut off, legible in light and dark."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from synalign.evaluation.chart import chart as arms
from synalign.experiment.findings import Bounds, Effect, Readout
from synalign.experiment.readout_chart import chart as readout_chart
from tests.adversarial import TEXTS
from tests.report.conftest import Opened
from tests.report.runs import evaluation

Open = Callable[..., Opened]
HOSTILE = ("script", "right_to_left_override", "null_bytes", "terminal", "long_token", "closing_the_block")


def effect(name: str, middle: float, half: float, margin: float | None = None) -> Effect:
    interval = Bounds(lower=middle - half, upper=middle + half)
    return Effect(
        name=name, role="primary" if margin is None else "guardrail", better="lower" if margin else "higher",
        margin=margin, alpha=0.05, covariate=False, control=1.0, treatment=1.0 + middle, difference=middle,
        interval=interval, relative=middle, relative_interval=interval, fixed_interval=None, p_value=None,
        adjusted_p_value=None, passed=None,
    )  # fmt: skip


def readouts(days: int, void: Sequence[int] = (), names: Sequence[str] = ("ctr", "latency")) -> list[Readout]:
    """Read-outs of an experiment whose intervals become narrower; the first name is the primary metric's."""
    found = []
    for look in range(1, days + 1):
        effects = tuple(effect(name, 0.02, 0.4 / look, 0.05 if row else None) for row, name in enumerate(names))
        found.append(
            Readout(
                experiment=names[0], retriever="shop", plan_digest="ab", day=date(2026, 3, 1) + timedelta(look - 1),
                look=look, units={"control": 1, "treatment": 1}, planned_units=1, valid=look not in void,
                void_reasons=(), effects=() if look in void else effects,
                verdict="void" if look in void else "keep going", sentence="",
            )
        )  # fmt: skip
    return found


def judged(queries: int, scheme: str = "equal_mass") -> str:
    counts = {"train": 100, "validation": 10, "test": queries}
    return arms(evaluation(scheme, counts)["test"], scheme)


PICTURES: dict[str, Callable[[], str]] = {
    "arms": lambda: judged(450),
    "arms on few queries": lambda: judged(5, "aligned"),
    "one day": lambda: readout_chart(readouts(1)),
    "a void day": lambda: readout_chart(readouts(1, void=[1])),
    "two weeks": lambda: readout_chart(readouts(14, void=[1, 2, 9, 14], names=["ctr", "latency", "orders", "returns"])),
    "half a year": lambda: readout_chart(readouts(180, void=range(20, 60))),
    **{name: lambda name=name: readout_chart(readouts(8, [2], [TEXTS[name], "latency"])) for name in HOSTILE},  # type: ignore[misc]
}


@pytest.mark.parametrize("name", PICTURES)
def test_no_word_stands_on_another_or_hangs_over_the_edge(name: str, open_file: Open, tmp_path: Path) -> None:
    (tmp_path / "picture.svg").write_text(PICTURES[name](), encoding="utf-8")
    opened = open_file(tmp_path / "picture.svg", viewport={"width": 900, "height": 900})
    assert (opened.said, opened.asked) == ([], [])
    assert opened.page.locator("script").count() == 0
    whole, *boxes = opened.page.evaluate(_BOXES)
    assert len(boxes) >= 4
    for box in boxes:
        assert box["left"] >= whole["left"] and box["right"] <= whole["right"], box
        assert box["top"] >= whole["top"] and box["bottom"] <= whole["bottom"], box
    for one, other in combinations(boxes, 2):
        apart = one["right"] <= other["left"] or other["right"] <= one["left"]
        assert apart or one["bottom"] <= other["top"] or other["bottom"] <= one["top"], (one, other)


# Letters fill about three quarters of a line's box: what is above and below them is left out.
_BOXES = """
() => [document.documentElement, ...document.querySelectorAll("text")].map((element) => {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const empty = element.tagName === "text" ? (bottom - top) / 8 : 0;
  return { words: element.textContent.slice(0, 30), left, right, top: top + empty, bottom: bottom - empty };
})
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["arms", "two weeks"])
def test_it_is_legible_as_an_image_of_a_page_in_light_and_dark(
    name: str, scheme: str, open_file: Open, tmp_path: Path
) -> None:
    # As MLflow shows it: an image, which sees no style of the page around it.
    content = base64.b64encode(PICTURES[name]().encode()).decode()
    (tmp_path / "page.html").write_text(f'<body><img src="data:image/svg+xml;base64,{content}">')
    opened = open_file(tmp_path / "page.html", color_scheme=scheme)
    shade: Any = opened.page.evaluate(_SHADES)
    assert shade["ground"] == ({"light": 255, "dark": 24}[scheme])
    # Somewhere there is a letter that stands out from the ground.
    assert abs(shade["ground"] - (shade["least"] if scheme == "light" else shade["most"])) > 150


_SHADES = """
() => {
  const image = document.querySelector("img");
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  // Red alone of the first line of the picture, which is its title.
  const red = [...context.getImageData(0, 0, canvas.width, 30).data].filter((_, place) => place % 4 === 0);
  return { ground: red[0], least: Math.min(...red), most: Math.max(...red) };
}
"""
