"""What is measured, by task and by the metrics of an evaluation."""

import pytest

from synalign.evaluation.measured import CLASSIFICATION, RETRIEVAL, measured, of_task
from synalign.retriever.measures import MEASURES


@pytest.mark.parametrize("task", ["retrieval", "classification"])
def test_metrics_of_a_task_say_what_it_is_measured_by(task: str) -> None:
    by = of_task(task)
    assert measured({"measure": by.name}) is by
    assert by is (CLASSIFICATION if task == "classification" else RETRIEVAL)


def test_evaluations_of_before_were_of_retrievers() -> None:
    assert measured({}) is RETRIEVAL
    assert tuple(RETRIEVAL.all) == MEASURES
    assert list(CLASSIFICATION.all.values())[:2] == ["accuracy", "macro-F1"]
