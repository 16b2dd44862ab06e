"""What Airflow shows beside a DAG and its tasks: what each does, reads and writes, and what to do when it fails.

Markdown, with names in italics: Airflow frames inline code so widely that lines overlap. Made from `synalign.flow` and
`synalign.errors`. Imported by DAG files: nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable

from synalign import flow
from synalign.config import Configuration
from synalign.errors import EXIT_CODES, OTHERWISE
from synalign.registry import names

AFTERWARDS = "Then clear the task: finished steps are kept and reused, and what a killed try left behind is swept away."


def step_page(step: flow.Step, *, pod: bool = False) -> str:
    """Return the documentation of a step's task.

    Args:
        step: The step.
        pod: Whether it is a pod of its own.
    """
    writers = {table: flow.writer(table) for table in step.reads}
    reads = [f"*{table}* (from {writer.name}): {writer.writes[table]}" for table, writer in writers.items()]
    reads += [step.beside] if step.beside else []
    writes = [f"*{table}*: {rows}" for table, rows in step.writes.items()]
    by_spark = "by spark-submit, or as the file of *$SYNALIGN_SPARK* says"
    started = by_spark if step.engine == "spark" else "as a process of the worker"
    started = "as a pod" if pod else started
    return page(
        step.purpose,
        ("Reads", _list(reads)),
        ("Writes", _list(writes or ["no table"])),
        ("Returns", "A summary: rows, figures, seconds; never data."),
        (
            "When it fails",
            f"The log ends with the error, its likely cause and what to do. {AFTERWARDS}\n\n{_list(step.remedies)}",
        ),
        ("How it runs", f"*jobs/{step.job}.py*, {started}."),
    )


def refresh_page(configuration: Configuration) -> str:
    """Return the documentation of a retriever's refresh."""
    name = configuration.retriever
    model = names.training_set(name, configuration.registry.prefix)
    groups = [
        f"**{group.title}**: {group.purpose} *({', '.join(step.name for step in flow.members(group))})*"
        for group in flow.GROUPS
    ]
    codes = [f"| {each.code} | {each.kind.__name__}: {each.about} | {each.then} |" for each in EXIT_CODES]
    return page(
        configuration.description or f"Refreshes the training set of {name}.",
        (
            "What it does",
            "Learns from the traffic of one data interval, has a language model write queries like it, weighs them so "
            f"that together they are distributed like the real ones, and registers *{model}* in MLflow.\n\n"
            + _list(groups),
        ),
        ("To judge a run", "Open *Report*, a button of the task report; *MLflow run* is one of register."),
        (
            "To start a run",
            "Trigger the DAG. Its form shows what the YAML file says; what is changed there holds for that run alone.",
        ),
        ("To go on after a failure", f"Mend what the log of the failed task names. {AFTERWARDS}"),
        (
            "What happens after a failure",
            "| exit code | error | then |\n|---|---|---|\n"
            + "\n".join(codes)
            + f"\n| other | {OTHERWISE.about} | {OTHERWISE.then} |",
        ),
        ("Where its data lies", f"*$SYNALIGN_STORE/runs/{name}/(interval)/(step)/(attempt)/*, as Parquet."),
    )


def page(first: str, *sections: tuple[str, str]) -> str:
    """Return a page: a paragraph, then sections with their titles."""
    return "\n\n".join([first, *(f"### {title}\n\n{text}" for title, text in sections)])


def _list(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
