"""One DAG per retriever with an `experiment:` section: `read_experiment__<retriever>` reads its A/B test out, daily.

Nothing happens on days without a running experiment. On the others Spark adds up exposures and outcomes, the verdict
is recorded, and where it is `ship` a person is asked; only their yes moves the alias `champion`, and a no, or no
answer, is recorded too. Approvals are answered in Airflow's page "Required Actions" or through its REST API
(`hitlDetails`). `airflow dags test` waits for the same answer, but without end: the scheduler is what keeps time.

Only light modules are imported here: this file is parsed all day long.
"""

from __future__ import annotations

import shlex
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.sdk import DAG, BaseOperator, get_parsing_context

from synalign.config import Configuration, Experiment, cron
from synalign.experiment import approval, store
from synalign.orchestration import credentials, placement, retries
from synalign.orchestration.engines import SparkJob, spark_task
from synalign.orchestration.engines.job import APPLICATION
from synalign.orchestration.experiment_pages import TASKS, dag_page
from synalign.orchestration.operators import PYTHON, JobOperator
from synalign.orchestration.versions import ApprovalOperator, CronDataIntervalTimetable, RetryPolicy
from synalign.retriever_files import retriever_files, valid

# The last whole day (UTC) before the end of the data interval, whatever the hour of the schedule; a run triggered by
# hand may have no interval.
END = "(data_interval_end | default(dag_run.run_after, true)).in_timezone('UTC')"
DAY = f"{{{{ ({END}.start_of('day') - macros.timedelta(days=1)).strftime('%Y-%m-%d') }}}}"
EXPERIMENT = "{{ ti.xcom_pull(task_ids='experiment') }}"
ANSWER = "(ti.xcom_pull(task_ids='approve', key='answer') or {})"


class RecordedApproval(ApprovalOperator or BaseOperator):  # type: ignore[misc]
    """An approval whose answer can be read whatever it is: after a refusal Airflow keeps no return value."""

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Keep who answered (empty: nobody, in time) and when, then do what follows from it."""
        if "error" not in event:
            by, at = (event.get("responded_by_user") or {}).get("name", ""), event["responded_at"]
            context["ti"].xcom_push(key="answer", value={"by": by, "at": at.isoformat()})
        return super().execute_complete(context, event)


def experiment_dag(path: Path, configuration: Configuration, experiment: Experiment) -> DAG:
    """Return the daily read-out of one retriever's experiments.

    Args:
        path: The retriever's YAML file; the jobs read it again.
        configuration: What stands in it.
        experiment: Its section on experiments.
    """
    retriever = configuration.retriever
    with DAG(
        dag_id=f"read_experiment__{retriever}",
        description=f"Reads out the A/B tests of {retriever}.",
        doc_md=dag_page(configuration),
        schedule=CronDataIntervalTimetable(cron.expression(experiment.cron), timezone="UTC"),
        start_date=configuration.schedule.ticks.midnight(configuration.schedule.start),
        # A read-out counts everything since the start: a missed day is in the next one.
        catchup=False,
        # The next day is read out while a person still thinks about this one.
        max_active_runs=16,
        default_args={**retries.defaults(configuration), **placement.defaults(path, configuration)},
        tags=["synalign", "experiment", retriever],
    ) as dag:
        running = ShortCircuitOperator(
            task_id="experiment",
            python_callable=_running,
            op_kwargs={"retriever": retriever, "day": DAY},
            doc_md=TASKS["experiment"],
        )
        verdict = ShortCircuitOperator(
            task_id="verdict",
            python_callable=approval.question,
            op_kwargs={"retriever": retriever, "experiment": EXPERIMENT, "day": DAY},
            doc_md=TASKS["verdict"],
        )
        # A refusal skips the task right after `approve`; two tasks further on each kind of answer has its own.
        approved = EmptyOperator(task_id="approved", doc_md=TASKS["approved"])
        running >> _read_out(path, configuration) >> verdict >> _approve(experiment) >> approved
        approved >> [
            _decide(path, configuration, "promote"),
            _decide(path, configuration, "reject", trigger_rule="all_skipped"),
        ]
    return dag


def _running(retriever: str, day: str) -> str | None:
    """Return id of the experiment that ran on a day."""
    found = store.running(retriever, date.fromisoformat(day))
    return found.id if found else None


def _read_out(path: Path, configuration: Configuration) -> BaseOperator:
    arguments = ["--experiment", EXPERIMENT, "--day", DAY]
    job = SparkJob("read_experiment", path, arguments, f"synalign read_experiment {configuration.retriever}", {})
    lent = credentials.of_task(configuration, "read_out")
    return spark_task(job, credentials=lent, task_id="read_out", doc_md=TASKS["read_out"])


def _approve(experiment: Experiment) -> BaseOperator:
    return RecordedApproval(
        task_id="approve",
        subject="{{ ti.xcom_pull(task_ids='verdict')['subject'] }}",
        body="{{ ti.xcom_pull(task_ids='verdict')['body'] }}",
        defaults=RecordedApproval.REJECT,
        response_timeout=timedelta(hours=experiment.approval_hours),
        # An answer within seconds can be lost (the scheduler takes the task for failed): it is asked for again.
        retries=3,
        **({"retry_policy": None} if RetryPolicy is not None else {}),
        doc_md=TASKS["approve"],
    )


def _decide(path: Path, configuration: Configuration, decision: str, **arguments: Any) -> BaseOperator:
    """Return the task that a yes or a no leads to.

    What a person or a plan wrote reaches the shell as variables, never as its code.
    """
    command = shlex.join([PYTHON, str(APPLICATION), "decide_experiment", decision, "--config", str(path)])
    options = '--experiment "$EXPERIMENT" --day "$DAY" --readout "$READOUT" --by "$BY" --at "$AT"'
    return JobOperator(
        task_id=decision,
        bash_command=f"exec {command} {options}",
        env={
            "EXPERIMENT": EXPERIMENT,
            "DAY": DAY,
            "READOUT": "{{ ti.xcom_pull(task_ids='verdict')['readout'] }}",
            "BY": f"{{{{ {ANSWER}.get('by', '') }}}}",
            "AT": f"{{{{ {ANSWER}.get('at', '') }}}}",
        },
        credentials=credentials.of_task(configuration, decision),
        doc_md=TASKS[decision],
        **arguments,
    )


def dags(retrievers: Path) -> dict[str, DAG]:
    """Return the read-outs of every retriever with experiments, or the one that Airflow asks for, by the DAG's id.

    Args:
        retrievers: The folder of their files where `$SYNALIGN_RETRIEVERS` names none.
    """
    wanted = get_parsing_context().dag_id
    made: dict[str, DAG] = {}
    if ApprovalOperator is None:
        # `configuration_errors.py` says that Airflow is too old.
        return made
    for file, configuration in placement.placeable(valid(retriever_files(retrievers))):
        name = f"read_experiment__{configuration.retriever}"
        if configuration.experiment is not None and wanted in (None, name):
            made[name] = experiment_dag(file, configuration, configuration.experiment)
    return made
