"""Experiments in MLflow: one run per plan, with all that an outside tool needs to run and judge the test."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from synalign.errors import RegistryError
from synalign.experiment.assignment import description, vectors
from synalign.experiment.plan import Arm, ExperimentPlan, parse_plan, plan_schema
from synalign.registry import names
from synalign.registry.connection import connected, experiment
from synalign.registry.descriptions import of_plan, of_plans

PLAN = "plan.json"
# A progress bar for one small file hides the answer it is fetched for.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
_DIGEST, _STATUS, _READY = "synalign.plan_digest", "synalign.status", "ready"


def experiment_run(plan: ExperimentPlan, uri: str) -> str:
    """Return the MLflow run of an experiment, in `experiments/<retriever>`: found by the plan's digest, or made.

    Its artefacts are `plan.json` (the plan's canonical bytes), `plan.schema.json`, `ASSIGNMENT.md`,
    `assignment_vectors.json`, and for each arm where its model is. A run that was killed half-way is completed.

    Args:
        plan: The experiment.
        uri: MLflow's address.

    Returns:
        The run's id.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    with connected(uri, "do the same again") as client:
        about = of_plans(plan.retriever, names.trained_of(client, plan.retriever))
        place = experiment(client, f"experiments/{plan.retriever}", uri, about)
        found = _find(client, place, plan.digest)
        if found is None:
            tags = {_DIGEST: plan.digest, "synalign.experiment": plan.id, "synalign.retriever": plan.retriever,
                    "synalign.owner": plan.owner, "mlflow.note.content": of_plan(plan), "mlflow.user": plan.owner,
                    "mlflow.source.name": "synalign experiment start", "mlflow.source.type": "JOB"}  # fmt: skip
            found = client.create_run(place, tags=tags, run_name=plan.id).info.run_id
        if client.get_run(found).data.tags.get(_STATUS) != _READY:
            _complete(client, found, plan)
    return found


def arm_folder(arm: Arm) -> str:
    """Return the folder of an arm among the artefacts of its experiment's run."""
    return f"arms/{arm.name}"


def stored_plan(retriever: str, digest: str, uri: str) -> ExperimentPlan:
    """Read the plan with a digest, as it was stored in MLflow when it started.

    Raises:
        RegistryError: It is not there, or its bytes are not those that were stored.
    """
    with connected(uri, "do the same again") as client, tempfile.TemporaryDirectory() as folder:
        place = client.get_experiment_by_name(f"experiments/{retriever}")
        run_id = _find(client, place.experiment_id, digest) if place else None
        if run_id is None:
            raise RegistryError(f"MLflow has no plan {digest[:12]} of {retriever}.", remedy="restore the run")
        try:
            content = Path(client.download_artifacts(run_id, PLAN, folder)).read_bytes()
        except (OSError, MlflowException) as error:
            raise RegistryError(
                f"{PLAN} of run {run_id} cannot be read: {error}.", remedy="restore it from a backup"
            ) from error
    plan = parse_plan(json.loads(content), f"{PLAN} of run {run_id}")
    if plan.digest != digest:
        raise RegistryError(f"{PLAN} of run {run_id} is not the plan {digest[:12]}.", remedy="restore it from a backup")
    return plan


def _find(client: MlflowClient, experiment_id: str, digest: str) -> str | None:
    """Find the run of a plan; of two, made at the same moment, always the same one."""
    found = client.search_runs(
        [experiment_id], f"tags.`{_DIGEST}` = '{digest}'", ViewType.ACTIVE_ONLY, 1000, ["attributes.start_time ASC"]
    )
    return min(found, key=lambda run: (run.info.start_time, run.info.run_id)).info.run_id if found else None


def _complete(client: MlflowClient, run_id: str, plan: ExperimentPlan) -> None:
    """Fill the run of a plan; its status is last, so that a run without it is filled again."""
    client.log_text(run_id, plan.canonical.decode(), PLAN)
    client.log_text(run_id, json.dumps(plan_schema(), indent=2), "plan.schema.json")
    client.log_text(run_id, description(), "ASSIGNMENT.md")
    client.log_text(run_id, json.dumps(vectors(), indent=1, ensure_ascii=False), "assignment_vectors.json")
    for arm in plan.arms:
        client.log_text(run_id, f"{arm.model_uri}\n", f"{arm_folder(arm)}/model_uri.txt")
    for name in ("sample_size_per_arm", "expected_days", "minimum_detectable_effect", "alpha", "power"):
        client.log_param(run_id, name, getattr(plan, name))
    client.set_tag(run_id, _STATUS, _READY)
