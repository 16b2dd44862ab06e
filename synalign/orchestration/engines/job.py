"""A job of a Spark step as every engine starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import synalign
from synalign.orchestration.engines.settings import Spark
from synalign.orchestration.job_outcomes import template
from synalign.steps import outcome

APPLICATION = Path(synalign.__file__).parent / "jobs" / "application.py"
"""In this installation; not imported, for what it imports is heavy."""


class SparkJob(NamedTuple):
    """A job of a Spark step.

    Attributes:
        name: Of the job: `ingest`.
        file: The retriever's YAML file, on this machine.
        arguments: Those after `--config FILE`; templates.
        title: What the cluster's pages call it.
        environment: Environment variables of its driver; templates.
    """

    name: str
    file: Path
    arguments: Sequence[str]
    title: str
    environment: Mapping[str, str]

    def words(self, spark: Spark) -> list[str]:
        """Return the application's arguments, for a driver that finds its variables in its environment."""
        return [self.name, "--config", spark.config(self.file), *self.arguments]

    def variables(self, spark: Spark) -> dict[str, str]:
        """Return all that a driver elsewhere needs in its environment; templates."""
        return {**spark.passed_on(), **self.environment, outcome.VARIABLE: template(spark.store())}

    def words_with_variables(self, spark: Spark) -> list[str]:
        """Return the application's arguments, for a driver whose environment nobody can set from here."""
        variables = self.variables(spark).items()
        return [*(word for name, value in variables for word in ("--set", f"{name}={value}")), *self.words(spark)]


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return two nested mappings as one; of two values the one above wins.

    Examples:
        >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
        {'a': {'b': 3, 'c': 2}}
    """
    both = {**below, **above}
    for key in below.keys() & above.keys():
        if isinstance(below[key], Mapping) and isinstance(above[key], Mapping):
            both[key] = merged(below[key], above[key])
    return both


def verbatim(value: Any) -> Any:
    """Return what a person wrote into the file of settings so that Airflow renders it as it stands.

    A reference to a secret of Databricks looks like a template, and is none.

    Examples:
        >>> verbatim({"KEY": "{{secrets/search/key}}", "n": 1})
        {'KEY': '{% raw %}{{secrets/search/key}}{% endraw %}', 'n': 1}
    """
    if isinstance(value, Mapping):
        return {key: verbatim(item) for key, item in value.items()}
    if isinstance(value, list):
        return [verbatim(item) for item in value]
    if isinstance(value, str) and any(sign in value for sign in ("{{", "{%", "{#")):
        return f"{{% raw %}}{value}{{% endraw %}}"
    return value
