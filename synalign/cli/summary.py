"""The summary of a refresh, from the manifests of its steps: labelled lines for any terminal."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from synalign import flow
from synalign.config.schemes import ALIGNED
from synalign.errors import RunError
from synalign.evaluation.measured import measured
from synalign.evaluation.report import difference, weights_in_words
from synalign.generation.ledger import carried_ledger, carried_lines, ledger_lines, whole_ledger
from synalign.generation.usage import money_in_words
from synalign.run import Run
from synalign.text.numbers import words


class Entry(NamedTuple):
    """A label with what belongs to it.

    Attributes:
        label: A word.
        lines: At least one line of text.
    """

    label: str
    lines: list[str]


def summarise(run: Run, since: datetime | None = None) -> list[str]:
    """Return the lines with which `make refresh` ends.

    Args:
        run: A run that was registered.
        since: When the refresh began: steps that began earlier were reused. None: nothing is said about it.

    Returns:
        Lines of text.

    Raises:
        RunError: A step has not finished, or the ledger does not add up.
    """
    lines = [f"{run.configuration.retriever}, {run.interval.name}"]
    for label, texts in entries(run, since):
        width = max(5, len(label))
        lines += [f"  {label if place == 0 else '':<{width}} {text}" for place, text in enumerate(texts)]
    return lines


def entries(run: Run, since: datetime | None = None) -> list[Entry]:
    """Return the lines of `summarise` as pairs of label and text."""
    manifests = {step.name: run.require(step.name) for step in flow.before("report")}
    found = [
        Entry("in", _input(manifests)),
        Entry("asked", _asked(manifests)),
        Entry("wrote", ledger_lines(_ledger(manifests))),
        *_carried(manifests),
        *_negatives(manifests),
        Entry("out", [_out(manifests)]),
        *_alignment(manifests),
        Entry("arms", evaluation_lines(manifests["evaluate"]["metrics"])),
        *_places(manifests["register"]["metrics"]),
    ]
    reported = run.manifest("report")
    if reported is not None:
        found.append(Entry("report", [str(reported["metrics"]["url"])]))
    if since is not None:
        reused = [name for name, manifest in manifests.items() if datetime.fromisoformat(manifest["started"]) < since]
        found.append(Entry("reused", [", ".join(reused) if reused else "no step"]))
    return found


def as_json(run: Run) -> dict[str, Any]:
    """Return the state of a run, finished or not, as JSON for programs.

    Returns:
        `retriever`, `interval`, `folder`, `finished`, and by step its `state` (`done`, `stale`, `missing`), `seconds`,
        `rows` by table and `metrics`; `ledger`, and `carried`, its part of earlier intervals' queries, are null until
        every written query was screened.
    """
    steps = {step.name: _step(run, step.name) for step in flow.STEPS}
    ledger = carried = None
    if all(steps[name]["state"] == "done" for name in ("carry", "generate", "screen")):
        ledger = whole_ledger(steps["generate"]["metrics"], steps["screen"]["metrics"])
        carried = carried_ledger(steps["carry"]["metrics"], steps["screen"]["metrics"])
    return {
        "retriever": run.configuration.retriever,
        "interval": {"name": run.interval.name, **{key: at.isoformat() for key, at in run.interval._asdict().items()}},
        "folder": str(run.folder),
        "finished": all(steps[step.name]["state"] == "done" for step in flow.before("report")),
        "ledger": ledger,
        "carried": carried,
        "steps": steps,
    }


def evaluation_lines(metrics: dict[str, Any]) -> list[str]:
    """Return the result of the evaluation: the chosen weights, treatment against control, and the gate."""
    lines = [f"weights {weights_in_words(metrics)}: {metrics['reason']}"]
    if not metrics.get("teaching", {"used": True})["used"]:
        lines.append(f"hard negatives and teacher not used: {metrics['teaching']['reason']}")
    if "test" in metrics:
        test, by = metrics["test"], measured(metrics)
        lines.append(
            f"test {by.words} {test['control'][by.name]:.4f} with real pairs, {test['treatment'][by.name]:.4f} "
            f"with the set: {difference(test['treatment_minus_control'])}"
        )
    return [*lines, f"gate {metrics['gate']['status']}: {metrics['gate']['reason']}"]


_Manifests = dict[str, dict[str, Any]]


def _input(manifests: _Manifests) -> list[str]:
    ingest, rows = manifests["ingest"]["metrics"], _tables(manifests)
    return [
        f"{ingest['log_rows']} log rows, {ingest['document_rows']} documents; {rows['rejected']} rejected",
        f"{rows['queries']} distinct queries, {rows['pairs']} pairs",
    ]


def _asked(manifests: _Manifests) -> list[str]:
    generated = manifests["generate"]["metrics"]
    return [
        f"{_tables(manifests)['requests']} requests for {manifests['sample']['metrics']['batches']} batches "
        f"of demonstrations; written by {generated.get('model')}"
    ]


def _ledger(manifests: _Manifests) -> dict[str, Any]:
    return whole_ledger(manifests["generate"]["metrics"], manifests["screen"]["metrics"])


def _carried(manifests: _Manifests) -> list[Entry]:
    """Return the ledger's part of earlier intervals' queries; nothing where they wrote none."""
    lines = carried_lines(carried_ledger(manifests["carry"]["metrics"], manifests["screen"]["metrics"]))
    return [Entry("carried", lines)] if lines else []


def _negatives(manifests: _Manifests) -> list[Entry]:
    """Return what was mined and who taught; nothing where pairs stand alone."""
    mined, taught = (manifests.get(step, {}).get("metrics", {}) for step in ("mine", "teach"))
    if not mined.get("pairs"):
        return []
    refused = ", ".join(f"{number} {words(name)}" for name, number in mined["objections"].items() if number)
    objections = ", ".join(f"{number} {words(name)}" for name, number in taught["objections"].items())
    return [
        Entry(
            "mined",
            [
                f"{sum(mined['sources'].values())} hard negatives of {mined['pairs']} train pairs"
                + (f"; refused: {refused}" if refused else ""),
                f"teacher {taught['teacher']}" + (f", which objects to {objections}" if objections else ""),
                *_teaching_cost(taught),
            ],
        )
    ]


def _teaching_cost(taught: dict[str, Any]) -> list[str]:
    """Return what the teacher's scores cost, and how many are missing; nothing of a teacher that costs nothing."""
    if "requests" not in taught:
        return []
    missing = f"; {taught['not_scored']} documents have no score" if taught["not_scored"] else ""
    return [f"teacher: {taught['tokens']:,} tokens, {money_in_words(taught)}, {taught['requests']:,} requests{missing}"]


def _out(manifests: _Manifests) -> str:
    metrics = manifests["assemble"]["metrics"]
    found = {
        key.removesuffix("_rows").replace("_", " "): count for key, count in metrics.items() if key.endswith("_rows")
    }
    parts = ", ".join(f"{count} {name}" for name, count in sorted(found.items()))
    return f"{_tables(manifests)['training_set']} rows: {parts}"


def _alignment(manifests: _Manifests) -> list[Entry]:
    align = manifests["align"]["metrics"]
    others = "" if manifests["evaluate"]["metrics"]["scheme"] == ALIGNED else "; aligned weights, not chosen"
    size = (
        f"{align['effective_sample_size']:.0f} of {align['synthetic']} "
        f"(documents: {align['document_effective_sample_size']:.0f} of {align['documents']})"
    )
    return [Entry("MMD²", [f"{_mmd(align)}{others}"]), Entry("ESS", [f"{size}{others}"])]


def _places(register: dict[str, Any]) -> list[Entry]:
    """Return the place of the training set, and its name in MLflow."""
    alias = "alias current" if register["current"] else "alias current not moved"
    failures = [f"check failed: {failure}" for failure in register["failures"]]
    found = [f"{register['model']} version {register['version']}, {alias}", *failures]
    if register.get("url"):
        found.append(str(register["url"]))
    return [Entry("set", [str(register["location"])]), Entry("MLflow", found)]


def _tables(manifests: _Manifests) -> dict[str, int]:
    """Rows of every table."""
    return {table: content["rows"] for manifest in manifests.values() for table, content in manifest["tables"].items()}


def _mmd(metrics: dict[str, Any]) -> str:
    if "mmd2_held_out_before" not in metrics:
        return f"{metrics['mmd2_before']:.3e} -> {metrics['mmd2_after']:.3e} on train queries; none is held out"
    before, after = metrics["mmd2_held_out_before"], metrics["mmd2_held_out_after"]
    return (
        f"{before:.3e} -> {after:.3e} on {metrics['real_held_out']} held-out queries "
        f"({before / max(after, 1e-300):.1f}x closer, p = {metrics['mmd2_held_out_p_value']:.3g})"
    )


def _step(run: Run, name: str) -> dict[str, Any]:
    manifest = run.manifest(name)
    if manifest is None:
        return {"state": "missing", "seconds": None, "rows": {}, "metrics": {}}
    try:
        run.require(name)
        state = "done"
    except RunError:
        state = "stale"
    rows = {table: content["rows"] for table, content in manifest["tables"].items()}
    return {"state": state, "seconds": manifest["seconds"], "rows": rows, "metrics": manifest["metrics"]}
