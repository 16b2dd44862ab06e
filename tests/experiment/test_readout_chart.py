"""The chart of an experiment: a point for each day that has one, a word for each day that is void."""

import itertools
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

from synalign.experiment import ExperimentPlan
from synalign.experiment.readout import judge, write
from synalign.experiment.readout_chart import chart
from tests.experiment.test_readout import day, logged
from tests.experiment.test_validity import log

Make = Callable[..., ExperimentPlan]
GUARDRAILS = [
    {"name": name, "numerator": "clicks", "better": better, "margin": 0.05}
    for name, better in (("latency", "lower"), ("orders", "higher"), ("returns", "lower"), ("fourth", "lower"))
]


def elements(picture: str, tag: str, kind: str) -> list[ET.Element]:
    """What is drawn of one kind."""
    found = ET.fromstring(picture).iter(f"{{http://www.w3.org/2000/svg}}{tag}")
    return [element for element in found if element.get("class") == kind]


def points(place: Path) -> int:
    """Count the days that the chart draws."""
    return len(elements((place / "chart.svg").read_text(), "circle", "mark effect"))


def test_the_chart_grows_by_a_day_and_forgets_other_plans(plan: Make, tmp_path: Path) -> None:
    write(judge(plan(id="other"), logged(plan()), day(1)), tmp_path)
    for number in (2, 3, 5):
        place = write(judge(plan(), logged(plan()), day(number)), tmp_path)
    assert points(place) == 3
    # An earlier day does not know the later ones.
    assert points(write(judge(plan(), logged(plan()), day(3)), tmp_path)) == 2


def test_a_chart_of_void_days_only_can_be_drawn(plan: Make, tmp_path: Path) -> None:
    place = write(judge(plan(), log(two_arms=1), day(1)), tmp_path)
    assert "no valid day yet" in (place / "chart.svg").read_text()
    assert points(place) == 0


def test_an_interval_is_drawn_where_the_axis_says_it_is(plan: Make) -> None:
    readout = judge(plan(), logged(plan(), 0.5), day(3))
    picture = chart([readout])
    (effect,) = readout.effects
    assert effect.relative_interval is not None
    ticks = {
        float(text.text or ""): float(text.get("y", ""))
        for text in elements(picture, "text", "tick")
        if text.get("dy") is not None
    }
    lowest, highest = min(ticks), max(ticks)

    def place(value: float) -> float:
        return ticks[lowest] + (ticks[highest] - ticks[lowest]) * (value - lowest) / (highest - lowest)

    (whisker,) = elements(picture, "polyline", "whisker effect")
    drawn = [float(pair.split(",")[1]) for pair in whisker.get("points", "").split()]
    wanted = [place(100.0 * end) for end in (effect.relative_interval.lower, effect.relative_interval.upper)]
    assert max(abs(one - other) for one, other in zip(drawn, wanted, strict=True)) < 0.2


def test_the_primary_and_three_guardrails_have_a_panel_each_with_the_margin_on_its_side(plan: Make) -> None:
    whole = plan(guardrails=GUARDRAILS)
    picture = chart([judge(whole, logged(whole), day(3)), judge(whole, log(two_arms=1), day(4))])
    titles = [text.text for text in elements(picture, "text", "axis")]
    assert titles == [f"{name}: change, %" for name in ("clicks", "latency", "orders", "returns")] + [
        "day of the experiment"
    ]
    zeros = [float(line.get("y1", "")) for line in elements(picture, "line", "zero")]
    limits = [float(line.get("y1", "")) for line in elements(picture, "line", "limit")]
    assert [limit < zero for limit, zero in zip(limits, zeros[1:], strict=True)] == [True, False, True]
    assert len(elements(picture, "text", "void")) == len(elements(picture, "line", "void")) == 4


def test_void_days_side_by_side_share_a_word(plan: Make) -> None:
    picture = chart([judge(plan(), log(two_arms=1), day(number)) for number in range(1, 31)])
    assert len(elements(picture, "line", "void")) == 30
    places = [float(text.get("x", "")) for text in elements(picture, "text", "void")]
    assert len(places) > 5
    assert min(after - before for before, after in itertools.pairwise(places)) >= 30


def test_a_metric_may_be_called_as_mathematics_or_markup(plan: Make, tmp_path: Path) -> None:
    # Names are checked by the plan; ids too. What is drawn is text all the same.
    hostile = judge(plan(), logged(plan()), day(1)).model_copy(update={"experiment": "$x_{$</svg><script>"})
    picture = (write(hostile, tmp_path) / "chart.svg").read_text()
    assert "<script>" not in picture
    assert "$x_{$</svg><script>" in (elements(picture, "text", "title")[0].text or "")
