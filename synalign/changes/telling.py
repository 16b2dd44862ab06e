"""What changed, in words and formatted figures: what terminal and page have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from synalign.changes.compare import Changes
from synalign.changes.drift import Drift
from synalign.changes.figures import Figure, Kind
from synalign.changes.lineage import FACTOR, Lineage
from synalign.changes.rows import Weights
from synalign.evaluation.measured import measured
from synalign.screening.reasons import REASONS
from synalign.text import numbers

NOTHING = "\u2013"
"""What stands where a figure was not measured."""

_MINUS = "\u2212"
_ROUNDING = 1e-9
_DIGEST_CHARACTERS, _WHOLE_DIGEST = 12, 64


_WEIGHTS: tuple[tuple[str, str, Kind], ...] = (
    ("scheme", "scheme", "text"),
    ("rows", "synthetic rows", "count"),
    ("total", "their weight over that of real rows", "figure"),
    ("effective", "effective sample size", "count"),
    ("design_effect", "design effect", "figure"),
    ("largest_share", "share of the heaviest row", "share"),
)


class Line(NamedTuple):
    """A row of a table of figures, as people read it.

    Attributes:
        group: What it is a figure of.
        name: What it measures.
        before: Of the first set.
        after: Of the second.
        change: From the first to the second; empty where there is nothing to say.
        number: Whether it is a number, which must not be broken over lines.
    """

    group: str
    name: str
    before: str
    after: str
    change: str
    number: bool


def headline(changes: Changes) -> list[str]:
    """Say what a person must know first: traffic, rows, retriever."""
    if changes.same:
        return ["The two training sets are the same, to the byte."]
    return [traffic(changes.drift), _rows(changes), *_written(changes.lineage), *_retriever(changes)]


def traffic(drift: Drift | None) -> str:
    """Say whether traffic moved."""
    if drift is None:
        return "Whether traffic moved cannot be told: one of the sets has no real query."
    if drift.both == drift.queries:
        return "Traffic is the same: both sets have the same real queries."
    said = "moved" if drift.significant else "did not move, as far as can be told"
    return (
        f"Traffic {said}: MMD\u00b2 between the real queries of the two sets is {numbers.figure(drift.mmd2)}, where "
        f"chance alone gives {numbers.figure(drift.by_chance)} ({numbers.p_value(drift.p_value)})."
    )


def looked_at(drift: Drift) -> str:
    """Say how many queries the test compared."""
    of = "" if drift.queries == drift.of else f" (a random sample of {numbers.count(drift.of)})"
    return (
        f"{numbers.counted(drift.queries, 'distinct query', 'distinct queries')}{of}, "
        f"{numbers.count(drift.both)} of them in both sets; every query counts once."
    )


def heaviest(weights: Weights | None, what: str) -> str:
    """Return the title of examples of written queries: where all weigh the same, none is the heaviest."""
    equal = weights is None or weights.design_effect < 1.0 + _ROUNDING
    return f"Some of the written queries that {what}" if equal else f"The heaviest written queries that {what}"


class Fate(NamedTuple):
    """Written rows that had the same fate.

    Attributes:
        name: The fate.
        number: How many.
        why: What it means, or what caused it.
    """

    name: str
    number: int
    why: str = ""


def fates(found: Lineage) -> list[Fate]:
    """List what became of the written rows; fates that no row had are left out, but for the first two."""
    listed = [
        Fate("carried", found.carried, "in both sets"),
        Fate("new", found.new, "in the second set alone, written for it"),
        Fate("taken up again", found.returned, "of an earlier interval, and not in the first set"),
        Fate("real now", found.now_real, "people ask what had been written"),
        *(Fate(f"rejected: {numbers.words(name)}", number, _why(name)) for name, number in found.rejected.items()),
        Fate("left behind", found.left, _left(found)),
        Fate("heavier", found.up, f"carried; more than {FACTOR:g} times its multiple of the mean weight"),
        Fate("lighter", found.down, f"carried; less than 1/{FACTOR:g} of its multiple of the mean weight"),
    ]
    return [fate for place, fate in enumerate(listed) if fate.number or place < 2]


def _why(reason: str) -> str:
    return REASONS[reason].why if reason in REASONS else ""


def _left(found: Lineage) -> str:
    """Say why rows were not taken up: reasons are counted over all earlier intervals, not by row."""
    if found.real_alone:
        return "real pairs alone were chosen for the second set"
    if not found.left_because:
        return "in the first set alone; why is not known"
    reasons = ", ".join(f"{numbers.words(name)} {numbers.count(n)}" for name, n in found.left_because.items())
    return f"not judged again; of all earlier intervals' queries the second refresh left behind: {reasons}"


def lines(figures: tuple[Figure, ...]) -> list[Line]:
    """List figures of both sets, formatted, each with its change."""
    return [
        Line(
            one.group,
            one.name,
            value(one.kind, one.before),
            value(one.kind, one.after),
            change(one),
            one.kind != "text",
        )
        for one in figures
    ]


def weights_lines(before: Weights | None, after: Weights | None) -> list[Line]:
    """List the weights of both sets, formatted."""
    return lines(
        tuple(
            Figure("Weights", name, kind, getattr(before, field, None), getattr(after, field, None))
            for field, name, kind in _WEIGHTS
        )
    )


def value(kind: str, content: float | str | None) -> str:
    """Format a figure by its kind.

    Examples:
        >>> value("share", 0.25), value("score", 0.97096), value("count", None)
        ('25\u202f%', '0.9710', '\u2013')
    """
    return NOTHING if content is None else str(_SHAPES[kind](content))


def setting(text: str, kind: str) -> str:
    """Format a setting, a version or a digest; digests are cut, because only whether they differ matters here."""
    if not text:
        return NOTHING
    return f"{text[:_DIGEST_CHARACTERS]}\u2026" if kind == "input" or len(text) == _WHOLE_DIGEST else text


def change(figure: Figure) -> str:
    """Say how a figure changed; empty where there is nothing to say.

    Examples:
        >>> change(Figure("Input", "pairs", "count", 200, 150)), change(Figure("Writing", "model", "text", "a", "a"))
        ('\u221250 (\u221225\u202f%)', '')
    """
    before, after = figure.before, figure.after
    if before is None or after is None or value(figure.kind, before) == value(figure.kind, after):
        return ""
    if isinstance(before, str) or isinstance(after, str):
        return "changed"
    return _CHANGES[figure.kind](float(before), float(after)).replace("-", _MINUS)


def _count_change(before: float, after: float) -> str:
    relative = f" ({_signed_share(after / before - 1.0)})" if before else ""
    return f"{after - before:+,.0f}{relative}"


def _signed_share(found: float) -> str:
    return ("+" if found >= 0 else "-") + numbers.share(abs(found))


def _ratio(before: float, after: float) -> str:
    return f"\u00d7\u202f{numbers.figure(after / before)}" if before > 0.0 < after else ""


_SHAPES: dict[str, Callable[[Any], str]] = {
    "count": numbers.count,
    "figure": numbers.figure,
    "score": lambda found: f"{found:.4f}",
    "share": numbers.share,
    "p_value": lambda found: numbers.p_value(found).removeprefix("p = ").removeprefix("p "),
    "seconds": numbers.seconds,
    "text": numbers.shown,
}
_CHANGES: dict[str, Callable[[float, float], str]] = {
    "count": _count_change,
    "figure": _ratio,
    "score": lambda before, after: f"{after - before:+.4f}",
    "share": lambda before, after: f"{100 * (after - before):+.1f} points",
    "p_value": lambda before, after: "",
    "seconds": lambda before, after: _signed_share(after / before - 1.0) if before else "",
}


def _rows(changes: Changes) -> str:
    counts = changes.rows.counts.values()
    before, after, kept, came, went = (
        numbers.count(sum(getattr(count, name) for count in counts))
        for name in ("before", "after", "kept", "came", "went")
    )
    return f"{before} rows became {after}: {came} came, {went} went, {kept} stayed."


def _written(found: Lineage) -> list[str]:
    """Say in a sentence what became of the written rows; nothing where neither set has any."""
    came, went = found.new + found.returned, found.went
    if not found.carried + came + went:
        return []
    said = (
        f"Of the written rows {numbers.count(found.carried)} were carried, {numbers.count(came)} came and "
        f"{numbers.count(went)} went"
    )
    weighed = f"; {numbers.count(found.up)} weigh much more and {numbers.count(found.down)} much less than before"
    return [f"{said}{weighed if found.up + found.down else ''}."]


def _retriever(changes: Changes) -> list[str]:
    """Say what the gates of both sets found; never which set is better, because their test queries differ."""
    said = []
    for side in (changes.before, changes.after):
        metrics = side.metrics("evaluate")
        compared = metrics.get("test", {}).get("treatment_minus_control")
        if compared:
            difference = f"{compared['difference']:+.4f}".replace("-", _MINUS)
            said.append(f"{difference} (gate {metrics['gate']['status']})")
    if len(said) < 2:
        return []
    words = measured(changes.after.metrics("evaluate")).words
    return [f"{words} over real pairs alone, each on its own test queries: {said[0]} before, {said[1]} after."]
