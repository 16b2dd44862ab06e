"""The step *register*: checks the training set, and hands everything to the registry."""

from __future__ import annotations

import logging
from typing import Any

from synalign import flow
from synalign.config import Checks
from synalign.config.schemes import ALIGNED, NONE
from synalign.prompts.templates import used
from synalign.registry import training_sets
from synalign.registry.connection import tracking_uri
from synalign.registry.release import Release
from synalign.run import Attempt
from synalign.run.manifests import folder

log = logging.getLogger("synalign")


def register(attempt: Attempt) -> None:
    """Register the run's training set in MLflow. Writes no table: its manifest says where the version stands.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
        RunError: A step before it is missing, or belongs to other settings.
    """
    run = attempt.run
    manifests = {step.name: run.require(step.name) for step in flow.before("register")}
    release = Release(
        retriever=run.configuration.retriever,
        interval=run.interval.name,
        configuration=run.configuration.model_dump(mode="json"),
        manifests=manifests,
        folders={
            table: folder(run.folder / step, manifest) / table
            for step, manifest in manifests.items()
            for table in manifest["tables"]
        },
        failures=failed_checks(run.configuration.checks, manifests),
        templates=used(run.configuration),
    )
    for failure in release.failures:
        log.warning("register: check failed: %s", failure)
    if release.not_judged:
        log.info("register: %s", release.not_judged)
    registration = training_sets.register(release, tracking_uri())
    attempt.metrics.update(registration._asdict())
    attempt.metrics.update({"digest": release.digest, "location": str(release.location), "failures": release.failures})
    attempt.metrics["not_judged"] = release.not_judged


def failed_checks(checks: Checks, manifests: dict[str, dict[str, Any]]) -> tuple[str, ...]:
    """Return the checks that a training set fails, each as a sentence with figure and bound.

    What alignment found is checked where its weights are the training set's: other weights owe it nothing. A set that
    is the real pairs alone because validation queries chose it has no synthetic part to check.

    Args:
        checks: The bounds.
        manifests: Manifests by step; `align`, `evaluate` and `assemble` are read.
    """
    evaluated, assembled = manifests["evaluate"]["metrics"], manifests["assemble"]["metrics"]
    failures = _failed_alignment(checks, manifests["align"]["metrics"]) if evaluated["scheme"] == ALIGNED else []
    rows = assembled.get("synthetic_train_rows", 0)
    if rows < checks.min_synthetic_rows and evaluated["scheme"] != NONE:
        failures.append(f"{rows} synthetic rows are fewer than {checks.min_synthetic_rows}")
    if evaluated["gate"]["status"] == "failed":
        failures.append(f"gate: {evaluated['gate']['reason']}")
    return tuple(failures)


def _failed_alignment(checks: Checks, figures: dict[str, Any]) -> list[str]:
    failures = []
    if not figures["converged"]:
        failures.append(f"the weights did not converge: gap {figures['gap']:.1e}")
    share = figures["effective_sample_size"] / figures["synthetic"]
    if share < checks.min_effective_share:
        failures.append(f"effective share {share:.3f} is below {checks.min_effective_share}")
    before = figures.get("mmd2_held_out_before", figures["mmd2_before"])
    after = figures.get("mmd2_held_out_after", figures["mmd2_after"])
    if after > checks.max_mmd_ratio * before:
        failures.append(
            f"squared MMD {after:.2e} is above {checks.max_mmd_ratio} x {before:.2e}, that of equal weights"
        )
    return failures
