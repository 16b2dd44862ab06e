"""What a person wants to know after a refresh, from the manifests of its steps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from synalign import flow, manifests
from synalign.config import Configuration
from synalign.errors import RunError
from synalign.evaluation.report import difference
from synalign.generation.ledger import ledger_lines, whole_ledger
from synalign.run import Interval, Run, root


def latest(configuration: Configuration) -> Run:
    """The run of a retriever that was registered last.

    Raises:
        RunError: There is none.
    """
    last = flow.STEPS[-1].name
    found = [
        manifest
        for path in (root() / configuration.retriever).glob(f"*/{last}/{manifests.NAME}")
        if (manifest := manifests.read(path)) is not None
    ]
    if not found:
        raise RunError(
            f"{configuration.retriever} has no finished run in {root()}.", remedy="run `synalign refresh` first"
        )
    interval = max(found, key=lambda manifest: str(manifest["started"]))["interval"]
    return Run(configuration, Interval.parse(interval["start"], interval["end"]))


def summarise(run: Run, since: datetime | None = None) -> list[str]:
    """The lines that `make refresh` ends with.

    Args:
        run: A run whose last step has finished.
        since: When the refresh began: steps that began earlier were reused. None: nothing is said about it.

    Returns:
        Lines of text.

    Raises:
        RunError: A step has not finished, or the ledger does not add up.
    """
    manifests = {step.name: run.require(step.name) for step in flow.STEPS}
    ingest, screen, align = (manifests[name]["metrics"] for name in ("ingest", "screen", "align"))
    rows = {table: content["rows"] for manifest in manifests.values() for table, content in manifest["tables"].items()}
    register = manifests["register"]["metrics"]
    ledger = whole_ledger(manifests["generate"]["metrics"], screen)
    others = "" if manifests["evaluate"]["metrics"]["scheme"] == "aligned" else "; aligned weights, not chosen"
    lines = [
        f"{run.configuration.retriever}, {run.interval.name}",
        f"  in    {ingest['log_rows']} log rows, {ingest['document_rows']} documents; {rows['rejected']} rejected",
        f"        {rows['queries']} distinct queries, {rows['pairs']} pairs",
        f"  asked {rows['requests']} requests for {manifests['sample']['metrics']['batches']} batches "
        f"of demonstrations; written by {manifests['generate']['metrics'].get('model')}",
        *_labelled("wrote", ledger_lines(ledger)),
        f"  out   {rows['training_set']} rows: {_rows(manifests['assemble']['metrics'])}",
        f"  MMD²  {_mmd(align)}{others}",
        f"  ESS   {align['effective_sample_size']:.0f} of {align['synthetic']} "
        f"(documents: {align['document_effective_sample_size']:.0f} of {align['documents']}){others}",
        *_labelled("arms", evaluation_lines(manifests["evaluate"]["metrics"])),
        f"  set   {register['location']}",
        f"  MLflow {register['model']} version {register['version']}"
        + (", alias current" if register["current"] else ", alias current not moved")
        + "".join(f"\n        check failed: {failure}" for failure in register["failures"]),
    ]
    if since is not None:
        reused = [name for name, manifest in manifests.items() if datetime.fromisoformat(manifest["started"]) < since]
        lines.append(f"  reused {', '.join(reused) if reused else 'no step'}")
    return lines


def evaluation_lines(metrics: dict[str, Any]) -> list[str]:
    """What trained retrievers said: the choice, the treatment against the control, and the gate."""
    lines = [f"weights {metrics['scheme']}: {metrics['reason']}"]
    if "test" in metrics:
        test = metrics["test"]
        lines.append(
            f"test nDCG@10 {test['control']['ndcg_at_10']:.4f} with real pairs, {test['treatment']['ndcg_at_10']:.4f} "
            f"with the set: {difference(test['treatment_minus_control'])}"
        )
    return [*lines, f"gate {metrics['gate']['status']}: {metrics['gate']['reason']}"]


def _labelled(label: str, lines: list[str]) -> list[str]:
    """Lines with a label before the first."""
    return [f"  {name:<5} {line}" for name, line in zip([label, *[""] * len(lines)], lines, strict=False)]


def _rows(metrics: dict[str, Any]) -> str:
    found = {
        key.removesuffix("_rows").replace("_", " "): count for key, count in metrics.items() if key.endswith("_rows")
    }
    return ", ".join(f"{count} {name}" for name, count in sorted(found.items()))


def _mmd(metrics: dict[str, Any]) -> str:
    if "mmd2_held_out_before" not in metrics:
        return f"{metrics['mmd2_before']:.3e} -> {metrics['mmd2_after']:.3e} on train queries; none is held out"
    before, after = metrics["mmd2_held_out_before"], metrics["mmd2_held_out_after"]
    return (
        f"{before:.3e} -> {after:.3e} on {metrics['real_held_out']} held-out queries "
        f"({before / max(after, 1e-300):.1f}x closer, p = {metrics['mmd2_held_out_p_value']:.3g})"
    )
