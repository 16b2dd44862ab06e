"""The pages beside the DAG that trains: what it does, and a way on after a failure."""

from collections.abc import Callable

from synalign.config import Configuration
from synalign.orchestration import training_pages


def test_the_task_says_what_to_do_when_it_fails() -> None:
    assert "### When it fails\n\n" in training_pages.TRAIN
    assert "training.mini_batch_size" in training_pages.TRAIN


def test_the_dag_is_told_of_by_its_retriever(configuration: Callable[..., Configuration]) -> None:
    page = training_pages.dag_page(configuration())
    assert page.startswith("Trains the retriever shop whenever its refresh has published a training set.")
    assert "training.trigger: manual" in page
