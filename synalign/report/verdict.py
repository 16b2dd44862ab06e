"""The verdict: what a manager must know, in two lines and a few figures, and what to do if it is bad."""

from __future__ import annotations

from typing import NamedTuple

from synalign.config.schemes import ALIGNED, EQUAL, NAMES, NONE
from synalign.evaluation.measured import measured
from synalign.generation.usage import money_in_words, tokens_in_words
from synalign.report import closeness
from synalign.report.closeness import Closeness, chosen_scheme
from synalign.report.material import STEPS, Material
from synalign.report.population import weights
from synalign.report.section import Section
from synalign.report.warnings import CONVINCING, Concern, warnings_of
from synalign.text.numbers import change, count, counted, figure, p_value, seconds, share, words

NOTABLE = 1.05
"""A squared MMD that is not this many times smaller is hardly so."""


class Tile(NamedTuple):
    """A figure that is seen at once.

    Attributes:
        name: What it is.
        value: The figure.
        note: What it is compared with.
    """

    name: str
    value: str
    note: str


def section(material: Material) -> Section:
    """Show the verdict on a run, finished or not."""
    found = warnings_of(material)
    status, level = _status(material, found)
    return Section(
        "verdict", "Verdict", "verdict.html",
        {
            "status": status,
            "level": level,
            "lines": _lines(material),
            "todo": _todo(material, found),
            "more": sum(warning.level == "caution" for warning in found),
            "tiles": _tiles(material),
            "measured": material.has("weights"),
        },
    )  # fmt: skip


def _status(material: Material, found: list[Concern]) -> tuple[str, str]:
    """Return the verdict in a word or two, and how bad it is."""
    if material.missing or material.stale:
        return "Unfinished", "caution"
    if material.metrics("register")["failures"]:
        return "Checks failed: the alias current stays where it was", "bad"
    if any(warning.level == "bad" for warning in found):
        return "Checks passed, but look at the warnings before you use it", "bad"
    if found:
        return f"Checks passed, with {counted(len(found), 'warning')}", "caution"
    return "Checks passed", "good"


def _lines(material: Material) -> list[str]:
    """Say what was gained, what it cost, and what a retriever makes of it."""
    lines = []
    alone = chosen_scheme(material) == NONE
    # Of a set without written queries there is no distance to tell: what it is comes first.
    if material.has("weights") and not alone:
        chosen = closeness.of_chosen(material)
        parts = (_gained(material, chosen), _cost(material), _alternative(material, chosen))
        lines.append(" ".join(part for part in parts if part))
    if material.has("choice"):
        lines.append(f"{_why(material)} {_retriever(material)}")
    if material.missing or material.stale:
        lines.append(_how_far(material))
    return lines


def _gained(material: Material, chosen: Closeness | None) -> str:
    """Say how close the set is to real traffic, by the weights that it has and no others."""
    if chosen is None:
        return f"How close the set is to real traffic was not measured: {_unmeasured(material)}."
    if chosen_scheme(material) == EQUAL:
        where = f"{figure(chosen.before)} from real traffic ({_held_out(chosen)})"
        return f"The written queries all weigh the same, at MMD\u00b2 {where}."
    return _weighted(chosen)


def _held_out(found: Closeness) -> str:
    return counted(found.queries, "held-out query", "held-out queries")


def _alternative(material: Material, chosen: Closeness | None) -> str:
    """Say what aligned weights would have done, where others were chosen."""
    aligned = closeness.of_aligned(material)
    if chosen_scheme(material) == ALIGNED or chosen is None or aligned is None:
        return ""
    if aligned.p_value > CONVINCING or aligned.after >= chosen.after:
        return "Aligned weights are not shown to be closer, and were not chosen."
    closer = f"{_times(aligned.before, aligned.after)} closer than equal ones"
    figures = f"{figure(aligned.after)}, {p_value(aligned.p_value)}"
    return f"Aligned weights would be {closer} ({figures}), but were not chosen."


def _unmeasured(material: Material) -> str:
    if closeness.of_aligned(material) is None:
        return "no real query is held out for it"
    return f"it has {NAMES[chosen_scheme(material)]}, and only aligned weights are measured where there are so many"


def _weighted(found: Closeness) -> str:
    little = found.before < NOTABLE * found.after
    digits = 3 if little else 2
    figures = f"(MMD\u00b2 {change(found.before, found.after, digits)} on {_held_out(found)}, {p_value(found.p_value)})"
    if found.after > found.before:
        further = "a little" if found.after < NOTABLE * found.before else _times(found.after, found.before)
        return f"The weighted set is {further} further from real traffic than the unweighted one {figures}."
    if found.p_value > CONVINCING:
        return f"The weighted set is not shown to be closer to real traffic than the unweighted one {figures}."
    closer = "hardly" if little else _times(found.before, found.after)
    return f"The weighted set is {closer} closer to real traffic than the unweighted one {figures}."


def _times(larger: float, smaller: float) -> str:
    ratio = larger / max(smaller, 1e-300)
    return f"{ratio:.1f}\u00d7" if ratio < 1000 else "over 1,000\u00d7"


def _cost(material: Material) -> str:
    """Say what the weights of the set cost, in effective sample size."""
    size, rows = effective_size(material)
    lost = 1.0 - size / rows
    if lost < 5e-4:
        return ""
    worth = f"{counted(rows, 'written query', 'written queries')} {'is' if rows == 1 else 'are'} worth {count(size)}"
    return f"Cost of it: {share(lost)} of the effective sample ({worth})."


def effective_size(material: Material) -> tuple[float, int]:
    """Return the effective sample size of the weights that the set has, and the number of rows."""
    aligned, scheme = material.metrics("align"), chosen_scheme(material)
    rows = int(aligned["synthetic"])
    if scheme == EQUAL:
        return float(rows), rows
    if scheme == ALIGNED:
        return float(aligned["effective_sample_size"]), rows
    # Loaded where it is needed: it brings torch.
    from synalign.alignment.diagnostics import effective_sample_size

    return effective_sample_size(weights(material, scheme)[1]), rows


def _why(material: Material) -> str:
    """Say which weights were chosen, and why; the scores behind it are in the section on the retriever."""
    metrics = material.metrics("evaluate")
    reason = metrics["reason"].removeprefix("not validated: ").partition(f": {measured(metrics).words}")[0]
    if metrics["scheme"] == NONE:
        written = int(material.metrics("align")["synthetic"]) if material.has("weights") else 0
        unused = f": the {counted(written, 'accepted query is', 'accepted queries are')} not in it" if written else ""
        return f"The set is the real pairs alone{unused}. {reason[:1].upper()}{reason[1:]}."
    name = NAMES.get(metrics["scheme"], words(metrics["scheme"]))
    at = f" at {metrics['mass']:g} times the weight of the real pairs" if "mass" in metrics else ""
    return f"It has {name}{at}{'' if metrics['validated'] else ', which nobody validated'}: {reason}."


def _retriever(material: Material) -> str:
    """Say how a retriever trained on the set does on real test queries, against one trained on real pairs alone."""
    metrics = material.metrics("evaluate")
    if "test" not in metrics:
        return f"No retriever was judged on it: {metrics['gate']['reason']}."
    compared = metrics["test"]["treatment_minus_control"]
    by = measured(metrics)
    control = metrics["test"]["control"][by.name]
    if metrics["scheme"] == NONE:
        judged = counted(compared["queries"], "test query", "test queries")
        return f"A {by.model} trained on it scores {control:.4f} {by.words} on {judged}."
    gain = f"{compared['difference']:+.4f}"
    if "lower" in compared:
        gain += f", 95\u202f% interval {compared['lower']:+.4f} to {compared['upper']:+.4f}"
    return (
        f"A {by.model} trained on it scores {control + compared['difference']:.4f} {by.words} on "
        f"{counted(compared['queries'], 'test query', 'test queries')}, against {control:.4f} with real pairs alone "
        f"({gain.replace('-', chr(0x2212))}): {_told(compared)}."
    )


def _told(compared: dict[str, float]) -> str:
    if "lower" not in compared:
        return "too few to tell"
    if compared["lower"] > 0.0:
        return "better"
    if compared["upper"] < 0.0:
        return "worse"
    return "no difference that can be told from chance"


def _how_far(material: Material) -> str:
    """Say how far the run has come."""
    done = len(material.manifests)
    next_step = next(step.name for step in STEPS if step.name not in material.manifests)
    total = done + len(material.stale) + len(material.missing)
    return f"{done} of {total} steps are finished; the next one is {next_step}."


def _todo(material: Material, found: list[Concern]) -> list[str]:
    """Say what to do now."""
    if material.missing or material.stale:
        return [warning.remedy for warning in found if warning.id in ("missing", "stale")]
    bad = [f"{warning.title} {warning.remedy}" for warning in found if warning.level == "bad"]
    registered = material.metrics("register")
    version = f"version {registered['version']} of {registered['model']}"
    if registered["failures"]:
        kept = f"{version[0].upper()}{version[1:]} is in MLflow for inspection; whatever was current before still is."
        return [*bad, kept]
    if registered["current"]:
        return [*bad, f"Train on {version}: it is what the alias current points at."]
    return [*bad, f"Nothing: {version} is in MLflow, and a later interval serves as current."]


def _tiles(material: Material) -> list[Tile]:
    tiles: list[Tile] = []
    if material.has("training_set"):
        tiles.append(_set_tile(material))
    if material.has("weights") and chosen_scheme(material) != NONE:
        size, rows = effective_size(material)
        tiles.append(Tile("Effective sample", count(size), f"of {count(rows)} written queries"))
    if material.has("screening", "candidates"):
        asked = material.metrics("generate")["ledger"]["asked_for"]
        accepted = material.metrics("screen")["accepted"]
        tiles.append(Tile("Accepted", share(accepted / asked) if asked else "none", f"of {count(asked)} asked for"))
        tiles += _carried_tiles(material)
    if material.has("requests"):
        tiles.append(_money_tile(material))
    if material.manifests:
        tiles.append(_time_tile(material))
    return tiles


def _carried_tiles(material: Material) -> list[Tile]:
    """Return how much of what earlier intervals wrote is in the set; nothing where they wrote nothing."""
    found, accepted = material.metrics("carry").get("found"), material.metrics("screen").get("carried", {})
    if not found or not accepted:
        return []
    return [Tile("From earlier intervals", count(accepted["accepted"]), f"of {count(found)} accepted then")]


def _set_tile(material: Material) -> Tile:
    metrics = material.metrics("assemble")
    rows = int(material.manifests["assemble"]["tables"]["training_set"]["rows"])
    synthetic = sum(value for key, value in metrics.items() if key.startswith("synthetic") and key.endswith("_rows"))
    return Tile("Training set", f"{rows:,} rows", f"{count(rows - synthetic)} real, {count(synthetic)} synthetic")


def _money_tile(material: Material) -> Tile:
    metrics = material.metrics("generate")
    silent = "usage_missing" in metrics
    tokens = f"{tokens_in_words(metrics) if silent else count(metrics['tokens'])} tokens"
    budget = material.configuration.generation.budget
    if not budget.has_prices:
        return Tile("Tokens", tokens.removesuffix(" tokens"), "no price is set")
    return Tile("Model", money_in_words(metrics), tokens)


def _time_tile(material: Material) -> Tile:
    spent = sum(manifest["seconds"] for manifest in material.manifests.values())
    slowest = max(material.manifests.values(), key=lambda manifest: manifest["seconds"])
    return Tile("Time", seconds(spent), f"{seconds(slowest['seconds'])} of it in {words(slowest['step'])}")
