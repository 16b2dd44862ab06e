"""The metrics of a refresh that people compare in MLflow: few, and grouped by the part before the slash.

All others are in the manifests, among the run's artefacts. Two metrics are series, drawn by MLflow as lines:
`sampling/uncertainty` by batch and `weights/cumulative_share` by per cent of the synthetic rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from mlflow.entities import Metric

from synalign.evaluation.measured import MACRO_F1, measured
from synalign.generation.ledger import carried_figures, carried_ledger, ledger_figures, whole_ledger

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.registry.release import Release

LONGEST_SERIES = 500
"""Points of a series; a longer one is thinned evenly, its steps stay true."""

_TABLES = ("queries", "documents", "pairs", "candidates", "training_set")
_ALIGNMENT = {
    "mmd2_before": ("mmd2_held_out_before", "mmd2_before"),
    "mmd2_after": ("mmd2_held_out_after", "mmd2_after"),
    "p_value": ("mmd2_held_out_p_value",),
    "effective_sample_size": ("effective_sample_size",),
}
_COST = ("money", "money_at_most", "tokens_in", "tokens_out", "requests", "usage_missing")
_COMPARED = {"difference": "difference", "difference_lower": "lower", "difference_upper": "upper", "p_value": "p_value"}

_ENDS = ("difference", "lower", "upper")


def metrics(release: Release, at: int) -> list[Metric]:
    """Return all metrics of a release, single values and series.

    Args:
        release: The release.
        at: The time of every point, in milliseconds since 1970: the same each time, so that what is logged twice is
            kept once.

    Raises:
        RunError: The ledger does not add up.
    """
    points = [Metric(name, float(value), at, 0) for name, value in figures(release).items()]
    for name, line in series(release).items():
        points += [Metric(name, value, at, step) for step, value in line]
    return points


_TEACHER = ("requests", "tokens", "money", "not_scored")
"""What the teacher's scores cost, and how many are missing."""


def figures(release: Release) -> dict[str, float]:
    """Return single metrics by name, such as `ledger/rejected.leak`; what was not measured is left out.

    Those of `alignment` are of the aligned weights, whether they were chosen or not, and on held-out queries where
    there are any; those of `weights` are of the synthetic rows of the training set; those of `pool` are the ledger's
    second part, of what earlier intervals wrote.

    Raises:
        RunError: The ledger does not add up.
    """
    ledger = whole_ledger(release.metrics("generate"), release.metrics("screen"))
    groups: dict[str, Mapping[str, float]] = {
        "alignment": _alignment(release.metrics("align")),
        "weights": _weights(synthetic_weights(release)),
        "retriever": _retriever(release),
        "rows": {table: release.rows(table) for table in _TABLES},
        "ledger": ledger_figures(ledger),
        "pool": _pool(release),
        "judge": _judge(release.metrics("screen").get("judge", {})),
        "teacher": {
            name: value for name, value in release.metrics("teach").items() if name in _TEACHER and value is not None
        },
        "cost": {
            name: value for name, value in release.metrics("generate").items() if name in _COST and value is not None
        },
        "seconds": _seconds(release),
    }
    return {f"{group}/{name}": value for group, content in groups.items() for name, value in content.items()}


def series(release: Release) -> dict[str, list[tuple[int, float]]]:
    """Return series by name, each as steps and values.

    `sampling/uncertainty`: the variance of each batch's anchor when it was picked, what the sampler did not know yet;
    1 is before anything was shown. `weights/cumulative_share`: the share of the synthetic weight that the heaviest
    rows hold, by per cent of the rows; equal weights give a straight line.
    """
    found = {
        "sampling/uncertainty": [*enumerate(_uncertainty(release), start=1)],
        "weights/cumulative_share": [*_cumulative_share(synthetic_weights(release))],
    }
    return {name: _thinned(line) for name, line in found.items() if line}


def synthetic_weights(release: Release) -> NDArray[np.float64]:
    """Return the weights of the training set's synthetic rows, (s,), heaviest first."""
    rows = release.read("training_set", ["source", "weight"])
    weights = rows.filter(pc.equal(rows["source"], "synthetic"))["weight"].to_numpy()
    return np.sort(weights)[::-1]


def _alignment(found: dict[str, Any]) -> dict[str, float]:
    values = {
        name: next(float(found[key]) for key in keys if key in found)
        for name, keys in _ALIGNMENT.items()
        if any(key in found for key in keys)
    }
    if values.get("mmd2_after", 0.0) > 0.0:
        values["times_closer"] = values["mmd2_before"] / values["mmd2_after"]
    return values


def _weights(weights: NDArray[np.float64]) -> dict[str, float]:
    """Return Kish's effective sample size, (sum w)^2 / sum w^2, its share of the rows, and the heaviest row's share."""
    total = float(weights.sum())
    if total <= 0.0:
        return {}
    effective = total**2 / float(np.square(weights).sum())
    return {
        "effective_sample_size": effective,
        "effective_share": effective / len(weights),
        "largest_share": float(weights[0]) / total,
    }


def _pool(release: Release) -> dict[str, float]:
    """Return the ledger of carried queries, documents covered, and the share of the synthetic weight that is theirs."""
    found: dict[str, float] = {**carried_figures(carried_ledger(release.metrics("carry"), release.metrics("screen")))}
    documents = release.metrics("align").get("documents")
    if documents is not None:
        found["documents"] = documents
    rows = release.read("training_set", ["source", "weight", "interval"])
    rows = rows.filter(pc.equal(rows["source"], "synthetic"))
    weights, carried = rows["weight"].to_numpy(), pc.not_equal(rows["interval"], release.interval).to_numpy()
    if weights.sum() > 0.0:
        found["share_carried"] = float(weights[carried.astype(bool)].sum() / weights.sum())
    return found


def _judge(found: dict[str, Any]) -> dict[str, float]:
    """Return what the judge cost, and how far it agrees with the round trip and with clicks; nothing without one."""
    if not found:
        return {}
    values = {
        "tokens": found["tokens"], "money": found["money"], "not_judged": found["not_judged"],
        "round_trip_agreement": found["round_trip"]["agreement"], "clicks_accepted": found["clicks"]["share"],
    }  # fmt: skip
    return {name: value for name, value in values.items() if value is not None}


def _retriever(release: Release) -> dict[str, float]:
    test = release.evaluation.get("test", {})
    if not test:
        return {}
    settings = release.configuration.get("evaluation", {}).get("gate")
    arms, name = ("control", "treatment", "unweighted"), measured(release.evaluation).name
    shown = [measure for measure in (name, MACRO_F1) if measure in test["control"]]
    scores = {f"{measure}_{arm}": test[arm][measure] for measure in shown for arm in arms if arm in test}
    compared = test["treatment_minus_control"]
    line = {f"{name}_gate": scores[f"{name}_control"] * (1.0 - settings["max_loss"])} if settings else {}
    f1 = {key: compared[key] for key in (f"{MACRO_F1}_{end}" for end in _ENDS) if key in compared}
    return scores | line | f1 | {name: compared[key] for name, key in _COMPARED.items() if key in compared}


def _seconds(release: Release) -> dict[str, float]:
    seconds = {step: float(manifest["seconds"]) for step, manifest in release.manifests.items()}
    return {**seconds, "total": sum(seconds.values())}


def _uncertainty(release: Release) -> list[float]:
    rows = release.read("demonstrations", ["position", "variance"])
    values: list[float] = rows.filter(pc.equal(rows["position"], 0))["variance"].to_pylist()
    return values


def _cumulative_share(weights: NDArray[np.float64]) -> Iterator[tuple[int, float]]:
    total = float(weights.sum())
    if total <= 0.0:
        return
    held = np.concatenate([[0.0], np.cumsum(weights)]) / total
    for per_cent in range(101):
        yield per_cent, float(held[round(per_cent / 100 * len(weights))])


def _thinned(line: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return the whole line, or evenly picked points with its first and its last."""
    if len(line) <= LONGEST_SERIES:
        return line
    picked = np.linspace(0, len(line) - 1, LONGEST_SERIES).round().astype(int)
    return [line[index] for index in picked]
