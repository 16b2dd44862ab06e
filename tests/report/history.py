"""Intervals made by hand, of which there is nothing but manifests."""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from synalign import flow
from synalign.config import Configuration
from synalign.report.material import Material
from synalign.run import Interval, Run, manifests

LAST = datetime(2026, 3, 1, tzinfo=UTC)
"""The end of the run's own interval."""

STEPS = tuple(step.name for step in flow.before("report"))
METRICS: dict[str, dict[str, Any]] = {
    "generate": {"tokens": 1800},
    "screen": {"accepted": 90, "carried": {"candidates": 12, "accepted": 10, "rejected": {"leak": 2}}},
    "align": {
        "documents": 12, "mmd2_held_out_before": 0.02, "mmd2_held_out_after": 0.01, "effective_sample_size": 50.0,
    },
    "evaluate": {"test": {"control": {"ndcg_at_10": 0.5}, "treatment": {"ndcg_at_10": 0.54}}},
}  # fmt: skip


def interval(before: int) -> Interval:
    """A day that ended so many days before the run's own."""
    end = LAST - timedelta(days=before)
    return Interval(end - timedelta(days=1), end)


def written(
    before: int, *, steps: Collection[str] = STEPS, changed: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """Manifests of an interval whose steps were made from each other."""
    settings = {"evaluation": {"gate": {"max_loss": 0.02}}}
    return {
        step.name: {
            "format": manifests.FORMAT, "step": step.name, "settings": copy.deepcopy(settings),
            "inputs": {table: f"{table} {before}" for table in step.reads},
            "tables": {table: {"rows": 1, "digest": f"{table} {before}"} for table in step.writes},
            "metrics": {**copy.deepcopy(METRICS.get(step.name, {})), **(changed or {}).get(step.name, {})},
        }
        for step in flow.before("report")
        if step.name in steps
    }  # fmt: skip


def keep(run: Run, before: int, found: Mapping[str, Any]) -> None:
    """Put manifests where an interval of the run's retriever has them."""
    for step, manifest in found.items():
        folder = run.folder.parent / interval(before).name / step
        (folder / manifests.NAME).write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))


def material(configuration: Configuration, **made: Any) -> Material:
    """A run that ends on `LAST`, as far as it is made."""
    found = Material(Run(configuration, interval(0)))
    found.manifests = written(0, **made)
    found.missing = [step for step in STEPS if step not in found.manifests]
    return found
