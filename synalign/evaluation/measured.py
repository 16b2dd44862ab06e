"""What a trial is measured by, by task: the name of the measure that chooses and judges, in manifests and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCURACY, MACRO_F1 = "accuracy", "macro_f1"


class Measured(NamedTuple):
    """What a task is measured by.

    Attributes:
        name: Of the measure that choice and gate go by, as a key of figures.
        words: The same for people.
        others: Further measures that people see, by key in their words.
        model: What is trained.
        ranked: What it ranks.
    """

    name: str
    words: str
    others: dict[str, str]
    model: str
    ranked: str

    @property
    def all(self) -> dict[str, str]:
        """All measures that people see, by key in their words."""
        return {self.name: self.words, **self.others}


RETRIEVAL = Measured(
    "ndcg_at_10",
    "nDCG@10",
    {"mrr_at_10": "MRR@10", "recall_at_10": "recall@10", "recall_at_100": "recall@100"},
    "retriever",
    "document",
)
CLASSIFICATION = Measured(ACCURACY, "accuracy", {MACRO_F1: "macro-F1", "mrr_at_10": "MRR@10"}, "classifier", "label")


def measured(evaluation: Mapping[str, Any]) -> Measured:
    """Return what an evaluation is measured by.

    Args:
        evaluation: Metrics of the step *evaluate*. Before classifiers were trained none said its measure, and all were
            of nDCG@10.

    >>> measured({"measure": "accuracy"}).words, measured({}).words
    ('accuracy', 'nDCG@10')
    """
    return CLASSIFICATION if evaluation.get("measure") == ACCURACY else RETRIEVAL


def of_task(task: str) -> Measured:
    """Return what a task is measured by.

    >>> of_task("classification").name, of_task("retrieval").name
    ('accuracy', 'ndcg_at_10')
    """
    return CLASSIFICATION if task == "classification" else RETRIEVAL
