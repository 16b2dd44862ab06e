"""What Airflow shows beside the DAG that reads a retriever's experiments, and beside its tasks. Markdown."""

from __future__ import annotations

from synalign.config import Configuration
from synalign.orchestration.task_pages import AFTERWARDS, page

TASKS = {
    "experiment": page(
        "Finds the experiment that ran on the day; without one the other tasks are skipped.",
        ("Reads", "The plans under *$SYNALIGN_HOME*."),
        ("Returns", "The experiment's id."),
        ("When it fails", f"A plan or its record is damaged; the error names the file. {AFTERWARDS}"),
    ),
    "read_out": page(
        "Adds up exposures and outcomes since the start, checks them, and writes the day's read-out.",
        ("Reads", "The folders *experiment.exposures* and *experiment.outcomes*."),
        ("Writes", "The read-out beside the plan, and its figures in MLflow."),
        ("Returns", "The verdict and where the read-out lies."),
        (
            "When it fails",
            "The error names the column or the rows: mend the log, then clear the task. A day can be read out again, "
            "and a missed day is in the next one.",
        ),
    ),
    "verdict": page(
        "Says the verdict in its log; the other tasks are skipped unless it is *ship*.",
        ("Reads", "The day's read-out."),
        ("Returns", "What a person will be asked."),
        ("When it fails", "The read-out is missing, or of another plan: clear the task read_out."),
    ),
    "approve": page(
        "Asks a person, on Airflow's page *Required Actions*; no answer in time is a no.",
        ("Reads", "The verdict."),
        ("Returns", "The answer. A no skips what follows; it is no failure."),
        ("When it fails", "An answer within seconds can be lost; it is asked for again by itself."),
    ),
    "approved": "Skipped where the answer is no, or there is none.",
    "promote": page(
        "Moves the alias *champion* in MLflow and records who said so, when, and why.",
        (
            "When it fails",
            f"The verdict no longer holds, or MLflow cannot be reached. Nothing was promoted. {AFTERWARDS}",
        ),
    ),
    "reject": page(
        "Records that a person said no, or that nobody answered. Nothing else changes.",
        ("When it fails", f"MLflow cannot be reached. {AFTERWARDS}"),
    ),
}
"""Documentation by task."""


def dag_page(configuration: Configuration) -> str:
    """Return the documentation of a retriever's read-outs."""
    return page(
        f"Reads out the online A/B tests of {configuration.retriever}, a day at a time.",
        (
            "What it does",
            "Nothing on days without a running experiment. On the others Spark adds up exposures and outcomes, and the "
            "verdict is recorded. Where it is *ship* a person is asked; only their yes moves the alias *champion*, and "
            "a no, or no answer, is recorded too.",
        ),
        ("To answer", "Airflow's page *Required Actions*, or *hitlDetails* of its REST API."),
        ("To begin and to end", "*synalign experiment start*, *end* and *list*, at a terminal."),
    )
