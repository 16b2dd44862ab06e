"""The page `docs/configuration.md`, made from the configuration's schema.

python -m synalign.config.reference [FILE]     writes it to a file, or prints it
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from synalign import flow
from synalign.config import RUNTIME_REASONS
from synalign.config.described import SOURCES, Setting, settings
from synalign.config.draft import to_fill_in

_HEAD = """\
<!-- Made by `make docs` from synalign/config/: change the schema, not this page. -->
# Configuration reference

One YAML file configures one retriever. `synalign init shop.yaml` writes one with every setting in it as a comment,
`synalign check shop.yaml` names every mistake with file, key, value and rule, and Airflow has a DAG for each file in
the folders of `$SYNALIGN_RETRIEVERS`. A file must have `retriever`, `schedule.start` and a `source`; all else has a
default. Keys and passwords never stand in it: they come from the environment or from Airflow's connections. A key that
is not on this page is refused. What is required within a section is required only where that section is there.
"""
_AGAIN = """\
## What a change makes run again

A step runs again when a setting that defines its tables has changed, or a table it reads. What is finished and still
fits is reused, and a request that the language model has answered is not paid for again.
{others} change no table.

| setting | runs again from |
|---|---|
"""
VARIABLES = {
    "SYNALIGN_HOME": "Folder of logs and the embedded servers' state; relative paths of a file start there. "
    "Default: `.synalign` in the working directory.",
    "SYNALIGN_STORE": "Where runs and the embedding cache lie, the same for all workers: a folder, or "
    "`s3://bucket/prefix` (also `gs://`, `az://`, `abfss://`). Default: `$SYNALIGN_HOME`.",
    "SYNALIGN_RETRIEVERS": "Folders with retrievers' YAML files, separated as in `PATH`. Default: `dags/retrievers`.",
    "SYNALIGN_SPARK": "YAML file that says [where Spark steps run](production.md#where-spark-steps-run). Default: "
    "spark-submit by the connection `spark_default`, or the server that `SPARK_REMOTE` names.",
    "SYNALIGN_PYTHON": "Python that runs the jobs. Default: Airflow's own.",
    "SYNALIGN_RETRIES": "How often Airflow tries a task again, at most. Default: by cause, see "
    "[operating it](operating.md).",
    "SYNALIGN_WRITER_URL": "Base URL of an embedded writer that runs already. Default: a step starts its own.",
    "SYNALIGN_MLFLOW_URL": "Where people reach MLflow's pages, if not at `MLFLOW_TRACKING_URI`.",
    "SYNALIGN_AIRFLOW_PORT": "Port of `synalign up`'s Airflow. Default: 8080.",
    "SYNALIGN_MLFLOW_PORT": "Port of its MLflow. Default: 5000.",
    "SYNALIGN_WRITER_PORT": "Port of its embedded writer. Default: 8100.",
    "MLFLOW_TRACKING_URI": "MLflow's server. Default: a SQLite file in `$SYNALIGN_HOME`. Credentials go into "
    "MLflow's own variables.",
    "MLFLOW_REGISTRY_URI": "MLflow's model registry, if it is apart from the server of runs. Default: the same.",
    "JAVA_HOME": "The Java that Spark runs on. Default: the one in `PATH`.",
    "AWS_ENDPOINT_URL_S3": "S3 server of `s3://` addresses, or `AWS_ENDPOINT_URL`. Default: Amazon's. Keys and region "
    "are the usual `AWS_...` variables.",
    "GOOGLE_APPLICATION_CREDENTIALS": "Key file for `gs://` addresses, or `GOOGLE_SERVICE_ACCOUNT_KEY`. Default: the "
    "machine's own account.",
    "AZURE_STORAGE_ACCOUNT_NAME": "Account of `az://` addresses; its key or login in `AZURE_STORAGE_ACCOUNT_KEY`, "
    "`AZURE_STORAGE_SAS_TOKEN` or `AZURE_CLIENT_ID` and the like.",
}
"""Environment variables that people set."""

BETWEEN_PROCESSES = {
    "SYNALIGN_OVERRIDES": "settings of one run, from Airflow's trigger form to the jobs",
    "SYNALIGN_OUTCOME": "how a job ended, back to its task",
    "SYNALIGN_PROGRESS": "how a job tells its progress to the command line",
    "SYNALIGN_REFRESH": "the lock of the refresh that a process belongs to, by which what a killed one left is found",
    "SYNALIGN_WATCHED": "a person watches this refresh in a terminal, so nobody needs to be alerted",
}
"""Environment variables that SynAlign sets for processes of its own."""

_SOURCE_TITLES = {
    "log": "a query log and its documents",
    "ubi": "User Behavior Insights and the documents",
    "beir": "a BEIR folder",
    "labelled": "texts with labels",
}


def page() -> str:
    """Return the whole page, in Markdown."""
    log = {setting.key: setting for setting in settings()}
    values = [setting for setting in log.values() if not setting.parts]
    lines = [*_HEAD.splitlines(), "", "## Top of the file", "", *_table(values), ""]
    for setting in log.values():
        if setting.key == "source":
            for kind in SOURCES:
                lines += [*_source(kind), ""]
        elif setting.parts:
            lines += [*_part(setting), ""]
    defining = dict(_steps())
    others = [f"`{name}`" for name in log if name not in defining]
    again = _AGAIN.format(others=f"{', '.join(others[:-1])} and {others[-1]}")
    lines += [*again.splitlines(), *(f"| `{name}` | {steps} |" for name, steps in defining.items())]
    return "\n".join([*lines, "", *_variables()]) + "\n"


def _variables() -> Iterator[str]:
    """Return the section on environment variables."""
    yield "## Environment variables"
    yield ""
    yield "What differs from machine to machine stands in the environment of Airflow's workers and of the command line;"
    yield "so does the key to the model, in the variable that `generation.api_key_variable` names."
    yield ""
    yield "| variable | what it is |"
    yield "|---|---|"
    yield from (f"| `{name}` | {what} |" for name, what in VARIABLES.items())
    yield ""
    yield "Set between SynAlign's own processes, and not by people:"
    yield ""
    yield from (f"- `{name}`: {what}." for name, what in BETWEEN_PROCESSES.items())


def _source(kind: str) -> Iterator[str]:
    """Return the section on one kind of source."""
    source = next(setting for setting in settings(kind) if setting.key == "source")
    yield f"## `source`, kind `{kind}`: {_SOURCE_TITLES[kind]}"
    yield ""
    yield source.about
    yield ""
    yield from _table(source.parts)
    yield ""
    yield f"To fill in: {', '.join(f'`{key}`' for key in to_fill_in(kind) if key.startswith('source.'))}."


def _part(section: Setting) -> Iterator[str]:
    yield f"## `{section.key}`"
    yield ""
    yield section.about
    yield ""
    yield from _table(section.parts)
    if section.key == "runtime":
        yield ""
        yield "Why none of them changes a result:"
        yield ""
        yield from (f"- `{name}`: {reason}." for name, reason in RUNTIME_REASONS.items())


def _table(parts: Iterable[Setting]) -> Iterator[str]:
    """Return settings as a table, followed by the tables of the sections inside."""
    yield "| setting | value | default | what it is |"
    yield "|---|---|---|---|"
    yield from _rows(parts)


def _rows(parts: Iterable[Setting]) -> Iterator[str]:
    for part in parts:
        yield _row(f"`{part.key}`", part.rule or "section", "" if part.parts else _default(part), part.about)
        yield from _rows(part.parts or part.each)


def _row(*cells: str) -> str:
    # A bar would end its cell, in code too.
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(setting: Setting) -> str:
    if setting.required:
        # An example of a day stands in its rule.
        plain = setting.example is None or "such as" in setting.rule
        return "required" if plain else f"required, such as {_code(setting.example)}"
    return "empty" if setting.default in ("", {}, []) else _code(setting.default)


def _code(value: Any) -> str:
    """Return a value as YAML writes it."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return f"`{text.removesuffix('...' + chr(10)).strip()}`"


def _steps() -> Iterator[tuple[str, str]]:
    """Each key at the top of a file that defines a table, and the first step that it defines one of."""
    for setting in settings():
        found = [step.name for step in flow.STEPS if setting.key in step.settings]
        if found:
            yield setting.key, f"`{found[0]}`" + (f", and `{'`, `'.join(found[1:])}`" if found[1:] else "")


if __name__ == "__main__":
    # Made as a whole before the file is touched.
    made = page()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(made, encoding="utf-8")
    else:
        sys.stdout.write(made)
