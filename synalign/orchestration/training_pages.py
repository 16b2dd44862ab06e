"""What Airflow shows beside the DAG that trains a retriever, and beside its task. Markdown."""

from __future__ import annotations

from synalign.config import Configuration
from synalign.orchestration.task_pages import AFTERWARDS, page

TRAIN = page(
    "Trains the retriever on its current training set, compares it with what serves, and registers it.",
    ("Reads", "The training set that the alias *current* names, and *training* of the YAML file."),
    ("Writes", "A run of *train/RETRIEVER* and a version of the model *RETRIEVER* in MLflow. No alias moves."),
    ("Returns", "The version, nDCG@10 on real test queries, and the gate's verdict."),
    (
        "When it fails",
        "**A package is missing**: the machine of the jobs needs the extra *train*. **Out of memory**: set "
        f"*training.mini_batch_size*, or a smaller *training.batch_size*. {AFTERWARDS}",
    ),
)
"""Documentation of the task."""


def dag_page(configuration: Configuration) -> str:
    """Return the documentation of a retriever's trainings."""
    return page(
        f"Trains the retriever {configuration.retriever} whenever its refresh has published a training set.",
        (
            "What it does",
            "One task: sentence-transformers' own trainer, the best checkpoint by real validation queries, and a "
            "paired comparison with the model before training and with the champion. The same set and settings are "
            "trained once: where the new set did not pass its checks, *current* is the one before, and nothing is "
            "trained.",
        ),
        ("To go on", "*synalign experiment draft* fills in a plan of an A/B test with what was trained."),
        ("To switch it off", "*training.trigger: manual* in the YAML file; *synalign train* does the same by hand."),
    )
