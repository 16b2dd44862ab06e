"""The pages beside the DAG that reads experiments: one for each of its tasks, each with a way on after a failure."""

from collections.abc import Callable

from synalign.config import Configuration
from synalign.orchestration import experiment_pages


def test_each_task_that_can_fail_says_what_to_do_then() -> None:
    pages = {name: page for name, page in experiment_pages.TASKS.items() if name != "approved"}
    for name, page in pages.items():
        assert "### When it fails\n\n" in page, name
    assert set(pages) == {"experiment", "read_out", "verdict", "approve", "promote", "reject"}


def test_the_dag_is_told_of_by_its_retriever(configuration: Callable[..., Configuration]) -> None:
    page = experiment_pages.dag_page(configuration())
    assert page.startswith("Reads out the online A/B tests of shop, a day at a time.\n\n### What it does")
