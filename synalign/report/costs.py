"""What the run cost: seconds of every step, tokens and money of the model."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow.compute as pc

from synalign.generation.budget import cost
from synalign.generation.usage import money_in_words, tokens_in_words
from synalign.report.material import STEPS, Material
from synalign.report.section import Section


class StepCost(NamedTuple):
    """What one step took.

    Attributes:
        name: The step.
        seconds: Wall-clock time of the attempt that finished it.
        part: Share of all steps' time, in [0, 1].
        rows: Rows it wrote.
        tokens: Tokens, both ways; None: the endpoint does not say.
        money: Money; None: the endpoint does not say what it counts.
        currency: Of the money.
    """

    name: str
    seconds: float
    part: float
    rows: int
    tokens: int | None
    money: float | None
    currency: str


class KindCost(NamedTuple):
    """Requests of one kind: how many ended how, and their tokens; None where the endpoint does not say."""

    kind: str
    requests: int
    good: int
    tokens_in: int | None
    tokens_out: int | None
    money: float | None
    median_seconds: float


def section(material: Material) -> Section | None:
    """Show what the run cost; None before the first step has finished."""
    if not material.manifests:
        return None
    steps = _steps(material)
    generated = material.metrics("generate")
    budget = material.configuration.generation.budget
    accepted = material.metrics("screen").get("accepted", 0)
    money = generated.get("money", 0.0)
    known = {"tokens": 0, "money": 0.0, **generated}
    return Section(
        "costs", "Money, tokens, seconds", "costs.html",
        {
            "steps": steps,
            "seconds": sum(step.seconds for step in steps),
            "tokens": sum(step.tokens or 0 for step in steps),
            "sums": _sums(steps, budget.currency),
            "paid": budget.has_prices or any(step.money for step in steps),
            "usage_missing": known.get("usage_missing", 0),
            "tokens_in_words": tokens_in_words(known),
            "money_in_words": money_in_words(known, 4),
            "kinds": _kinds(material),
            "generated": generated,
            "budget": budget,
            "priced": budget.has_prices,
            "accepted": accepted,
            "each": money / accepted if accepted and money is not None and "money_at_most" not in known else None,
        },
    )  # fmt: skip


def _steps(material: Material) -> list[StepCost]:
    total = sum(manifest["seconds"] for manifest in material.manifests.values())
    spent = {
        "generate": material.metrics("generate"), "screen": material.metrics("screen").get("judge", {}),
        "teach": material.metrics("teach"),
    }  # fmt: skip
    found = []
    for step in STEPS:
        if step.name not in material.manifests:
            continue
        manifest: dict[str, Any] = material.manifests[step.name]
        asked = spent.get(step.name, {})
        rows = sum(table["rows"] for table in manifest["tables"].values())
        seconds = manifest["seconds"]
        part = seconds / total if total else 0.0
        currency = asked.get("currency", material.configuration.generation.budget.currency)
        tokens, money = asked.get("tokens", 0), asked.get("money", 0.0)
        found.append(StepCost(step.name, seconds, part, rows, tokens, money, currency))
    return found


def _sums(steps: list[StepCost], currency: str) -> list[tuple[float, str]]:
    """Return the money of all steps by currency: the writer's first, then those of other models."""
    sums = {currency: 0.0}
    for step in steps:
        if step.money:
            sums[step.currency] = sums.get(step.currency, 0.0) + step.money
    return [(money, name) for name, money in sums.items() if money or len(sums) == 1]


def _kinds(material: Material) -> list[KindCost]:
    if not material.has("requests"):
        return []
    requests = material.table("requests")
    settings = material.configuration.generation
    found = []
    for kind in ("reason", "write"):
        rows = requests.filter(pc.equal(requests["kind"], kind))
        if not rows.num_rows:
            continue
        tokens_in, tokens_out = (pc.sum(rows[name]).as_py() for name in ("tokens_in", "tokens_out"))
        good = int(pc.sum(pc.equal(rows["outcome"], "ok")).as_py())
        median = float(pc.quantile(rows["seconds"], 0.5)[0].as_py())
        known = tokens_in is not None and tokens_out is not None
        money = cost(tokens_in, tokens_out, settings.budget, settings.mode) if known else None
        found.append(KindCost(kind, rows.num_rows, good, tokens_in, tokens_out, money, median))
    return found
