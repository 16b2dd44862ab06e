"""The choice as people see it: which arm is the training set, against which simpler one, and how sure that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from markupsafe import Markup

from synalign.config.schemes import NONE, SCHEMES
from synalign.drawing.chart import HEIGHT, WIDTH, curve, dots
from synalign.drawing.frame import Frame, round_steps
from synalign.drawing.svg import EMPTY, text
from synalign.evaluation.measured import Measured, measured
from synalign.evaluation.report import weights_in_words
from synalign.report.population import KINDS
from synalign.text.numbers import counted

LEFT, RIGHT, TOP, BOTTOM = 44, 12, 22, 38
"""Room around the lines."""

APART = 0.07
"""How far the schemes stand apart at one mass, masses being 1 apart, so that no interval hides another."""

_Entry = Mapping[str, Any]


class Rung(NamedTuple):
    """One arm among those to choose from, in points (hundredths) of nDCG@10, or of a classifier's accuracy.

    Attributes:
        name: In words.
        score: Mean of that measure on validation queries.
        seeds: Trainings behind it.
        against: The simpler arm that it was compared with; empty for the simplest.
        difference: Minus that arm's, with one standard error on either side; None for the simplest.
        verdict: What came of it.
        chosen: Whether it is the training set.
    """

    name: str
    score: float
    seeds: int
    against: str
    difference: tuple[float, float, float] | None
    verdict: str
    chosen: bool


class Climb(NamedTuple):
    """All arms among which validation queries chose.

    Attributes:
        sentence: The choice in words.
        rungs: From the simplest up, each as it was judged last.
        schemes: Those that the chart has a line of, each with its class.
        chart: Differences to the chosen arm, by mass.
    """

    sentence: str
    rungs: list[Rung]
    schemes: list[tuple[str, str]]
    chart: Markup


def climbed(metrics: Mapping[str, Any]) -> Climb | None:
    """Return the choice for people; None where no validation query chose, or masses were not chosen yet.

    Args:
        metrics: Of the step *evaluate*.
    """
    entries: Sequence[_Entry] = metrics.get("ladder", ())
    if not entries:
        return None
    by = measured(metrics)
    latest = {weights_in_words(entry): entry for entry in entries}
    rounds = max(entry["round"] for entry in entries)
    chosen = [entry for entry in entries if entry["round"] == rounds and entry["replaced"]][-1]
    rungs = [_rung(entry, entry is chosen, rounds, by) for entry in latest.values()]
    drawn = [(scheme.replace("_", " "), KINDS[scheme]) for scheme in _schemes(list(latest.values()))]
    return Climb(_sentence(metrics, chosen, entries, by), rungs, drawn, _chart(list(latest.values()), chosen, by))


def _sentence(metrics: Mapping[str, Any], chosen: _Entry, entries: Sequence[_Entry], by: Measured) -> str:
    """Say against which simpler arm the choice was made, and by how much."""
    count = int(metrics["queries"]["validation"])
    judged = counted(count, "validation query", "validation queries")
    name = _words(chosen)
    if "against" in chosen:
        ends = _ends(chosen["difference"], chosen["standard_error"], by)
        return f"{_capital(name)} is chosen over {_words(chosen['against'])}, which is simpler: {ends} on {judged}."
    others = [entry for entry in entries if entry["round"] == chosen["round"] and "against" in entry]
    if not others:
        return f"{_capital(name)} is the only arm that evaluation.masses has."
    best = max(others, key=lambda entry: float(entry["difference"]))
    ends = _ends(best["difference"], best["standard_error"], by)
    return (
        f"{_capital(name)}, the simplest arm, is kept: no other is better by more than one standard error. The best of "
        f"the others, {_words(best)}: {ends} on {judged}."
    )


def _ends(difference: float, error: float, by: Measured) -> str:
    low, high = difference - error, difference + error
    signed = f"{100 * difference:+.2f} points of {by.words}, one standard error either side {100 * low:+.2f} to"
    return f"{signed} {100 * high:+.2f}".replace("-", "\u2212")


def _rung(entry: _Entry, chosen: bool, rounds: int, by: Measured) -> Rung:
    apart = None
    if "against" in entry:
        difference, error = float(entry["difference"]), float(entry["standard_error"])
        apart = (100 * difference, 100 * (difference - error), 100 * (difference + error))
    return Rung(
        _words(entry),
        float(entry[by.name]),
        int(entry["seeds"]),
        _words(entry["against"]) if "against" in entry else "",
        apart,
        _verdict(entry, chosen, rounds),
        chosen,
    )


def _verdict(entry: _Entry, chosen: bool, rounds: int) -> str:
    if chosen:
        return "chosen"
    if entry["round"] < rounds:
        return "left after the first round"
    if "against" not in entry:
        return "the simplest"
    return "better, then beaten" if entry["replaced"] else "not shown to be better"


def _schemes(entries: Sequence[_Entry]) -> list[str]:
    there = {entry["scheme"] for entry in entries}
    return [scheme for scheme in SCHEMES if scheme in there]


def _chart(entries: Sequence[_Entry], chosen: _Entry, by: Measured) -> Markup:
    """Draw each arm's difference to the chosen one with its standard error, a line for each scheme.

    Arms stand at differences and not at means, because they were not all trained equally often: a difference is taken
    over the trainings that both arms have.
    """
    masses = sorted({float(entry["mass"]) for entry in entries})
    edges = [
        100 * (entry["minus_chosen"] + sign * entry["minus_chosen_standard_error"])
        for entry in entries
        for sign in (-1, 1)
    ]
    ticks = round_steps(max(0.0, *edges), min(0.0, *edges))
    room = (-0.4, len(masses) - 0.6)
    frame = Frame(LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM, room, (ticks[0], ticks[-1]))
    parts = [
        frame.heights(ticks),
        frame.level(0.0, "reference"),
        text("axis", 0, 11, f"{by.words} minus the chosen, points"),
    ]
    parts += [
        text("tick", frame.x(place), frame.bottom + 16, f"{mass:g}", "middle") for place, mass in enumerate(masses)
    ]
    parts.append(text("axis", WIDTH - RIGHT, HEIGHT - 4, "mass of written queries", "end"))
    # Where mass 0 is among them it is the first, and every line begins there.
    alone = [entry for entry in entries if entry["scheme"] == NONE]
    start = [0.0] * len(alone)
    for scheme in _schemes(entries):
        shift = APART * (SCHEMES.index(scheme) - 1)
        mine = [entry for entry in entries if entry["scheme"] == scheme]
        places = [masses.index(float(entry["mass"])) + shift for entry in mine]
        parts.append(_line(frame, KINDS[scheme], [*start, *places], [*alone, *mine]))
        parts.append(_marks(frame, KINDS[scheme], places, mine))
    parts.append(_marks(frame, "real", start, alone))
    label = f"{by.words} on validation queries by mass, minus that of the chosen arm, {_words(chosen)}"
    return Markup('<svg class="chart ladder" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, HEIGHT, label, EMPTY.join(parts)
    )


def _line(frame: Frame, kind: str, places: Sequence[float], entries: Sequence[_Entry]) -> Markup:
    return curve(frame, kind, places, [100 * float(entry["minus_chosen"]) for entry in entries])


def _marks(frame: Frame, kind: str, places: Sequence[float], entries: Sequence[_Entry]) -> Markup:
    """Draw a dot and its interval for each entry; the chosen one has none, being compared with itself."""
    heights = [100 * float(entry["minus_chosen"]) for entry in entries]
    errors = [100 * float(entry["minus_chosen_standard_error"]) for entry in entries]
    shape = Markup('<polyline class="whisker {}" points="{}"/>')
    whiskers = [
        shape.format(kind, frame.points([(place, height - error), (place, height + error)]))
        for place, height, error in zip(places, heights, errors, strict=True)
        if error > 0.0
    ]
    return EMPTY.join([*whiskers, dots(frame, kind, places, heights, 3.5)])


def _words(entry: _Entry) -> str:
    return weights_in_words(entry).replace("_", " ")


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
