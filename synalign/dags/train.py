"""One DAG per retriever with `training.trigger: training_set`: `train__<retriever>` trains on each new training set.

It is scheduled on the asset that `refresh__<retriever>` emits. A trained retriever is registered and compared; it
serves nobody before an A/B test.

Only light modules are imported here: this file is parsed all day long.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_parsing_context

from synalign.config import Configuration
from synalign.orchestration import assets, credentials, placement, retries
from synalign.orchestration.engines.job import APPLICATION
from synalign.orchestration.operators import PYTHON, JobOperator, SummaryLink
from synalign.orchestration.training_pages import TRAIN, dag_page
from synalign.retriever_files import retriever_files, valid


def train_dag(path: Path, configuration: Configuration) -> DAG:
    """Return the training of one retriever.

    Args:
        path: Its YAML file; the job reads it again.
        configuration: What stands in it.
    """
    retriever = configuration.retriever
    with DAG(
        dag_id=f"train__{retriever}",
        description=f"Trains {retriever} on its training set.",
        doc_md=dag_page(configuration),
        schedule=[assets.training_set(retriever)],
        start_date=configuration.schedule.ticks.midnight(configuration.schedule.start),
        catchup=False,
        # Of two sets that come one after another, the second trains once the first has.
        max_active_runs=1,
        default_args={**retries.defaults(configuration), **placement.defaults(path, configuration)},
        tags=["synalign", "train", retriever],
    ) as dag:
        command = [PYTHON, str(APPLICATION), "train", "--config", str(path)]
        common: dict[str, Any] = {
            "task_id": "train",
            "links": (SummaryLink("MLflow run", "train"),),
            "doc_md": TRAIN,
            "credentials": credentials.of_task(configuration, "train"),
            **placement.of_task(path, configuration, "train"),
        }
        if placement.as_pod(configuration, "train"):
            where = placement.pod_arguments(path, configuration, "train")
            placement.pods().PodJobOperator(command=command, **where, **common)
        else:
            # Paths are quoted; `exec` hands Airflow's signals to the job itself.
            JobOperator(bash_command=f"exec {shlex.join(command)}", **common)
    return dag


def dags(retrievers: Path) -> dict[str, DAG]:
    """Return the training of every retriever that asks for one, or of the one that Airflow asks for, by the DAG's id.

    Args:
        retrievers: The folder of their files where `$SYNALIGN_RETRIEVERS` names none.
    """
    wanted = get_parsing_context().dag_id
    made = {}
    for file, configuration in placement.placeable(valid(retriever_files(retrievers))):
        name = f"train__{configuration.retriever}"
        if configuration.training.trigger == "training_set" and wanted in (None, name):
            made[name] = train_dag(file, configuration)
    return made
