"""The pages of a refresh and its tasks: all that the flow says of a step stands there, and every exit code."""

from collections.abc import Callable

import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import EXIT_CODES
from synalign.orchestration import retries, task_pages

Make = Callable[..., Configuration]


@pytest.mark.parametrize("step", flow.STEPS, ids=lambda step: step.name)
def test_a_page_says_all_that_the_flow_knows_of_a_step(step: flow.Step) -> None:
    page = task_pages.step_page(step)
    assert page.startswith(f"{step.purpose}\n\n### Reads\n\n- ")
    for table in step.reads:
        writer = flow.writer(table)
        assert f"- *{table}* (from {writer.name}): {writer.writes[table]}\n" in page
    for table, rows in step.writes.items():
        assert f"- *{table}*: {rows}" in page
    assert ("- no table" in page) == (not step.writes)
    assert step.beside in page
    failed = page[page.index("### When it fails") : page.index("### How it runs")]
    assert all(f"- {remedy}" in failed for remedy in step.remedies)
    assert f"*jobs/{step.job}.py*" in page[page.index("### How it runs") :]


def test_a_step_without_a_word_of_advice_has_a_page_all_the_same() -> None:
    page = task_pages.step_page(flow.Step("new", "new", "release", "driver", (), {}, (), "Does something."))
    assert "- no table" in page
    assert task_pages.AFTERWARDS in page


def test_the_refresh_lists_every_group_and_what_each_exit_code_leads_to(configuration: Make) -> None:
    page = task_pages.refresh_page(configuration(), retries.in_words)
    for group in flow.GROUPS:
        steps = ", ".join(step.name for step in flow.STEPS if step.group == group.name)
        assert f"- **{group.title}**: {group.purpose} *({steps})*" in page
    for entry in EXIT_CODES:
        assert f"| {entry.code} | {entry.kind.__name__}: {entry.about} | {retries.in_words(entry.code)} |" in page
    assert page.count("\n| ") == len(EXIT_CODES) + 2
    assert "| other | the job was killed, or has a mistake | tried again after 1, 2, 4 min |" in page
    assert page.startswith("Refreshes the training set of shop.")
    assert task_pages.refresh_page(configuration(description="Ours."), retries.in_words).startswith("Ours.\n")
