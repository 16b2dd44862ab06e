"""Where Spark steps run: one YAML file for all retrievers, which `$SYNALIGN_SPARK` names. Imported by DAG files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from synalign.config import mistakes, settings_file
from synalign.config.closed import Closed
from synalign.errors import ConfigurationError
from synalign.masking import is_secret, mask
from synalign.spark.remote import REMOTE

VARIABLE = "SYNALIGN_SPARK"

INHERITED = ("SYNALIGN_HOME", "SYNALIGN_STORE", "MLFLOW_TRACKING_URI")
"""Variables of Airflow's worker that a driver elsewhere is given too, unless `environment` says otherwise."""

Engine = Literal["submit", "kubernetes", "yarn", "databricks", "emr", "livy", "connect"]


class Spark(Closed):
    """Where Spark steps run, and what their driver needs there."""

    engine: Engine = Field(default="submit", description="What starts the driver of a Spark step.")
    connection: str | None = Field(
        default=None, min_length=1, description="Id of Airflow's connection. Default: the operator's own."
    )
    application: str | None = Field(
        default=None, min_length=1,
        description="Where the driver's side finds synalign/jobs/application.py. Default: this installation's.",
    )  # fmt: skip
    retrievers: str | None = Field(
        default=None, min_length=1,
        description="The folder in which the driver finds the retrievers' YAML files. Default: the same as here.",
    )  # fmt: skip
    python: str | None = Field(
        default=None, min_length=1, description="The driver's Python, of submit, yarn and kubernetes."
    )
    environment: dict[str, str] = Field(
        default_factory=dict, description="Environment variables of the driver. No secrets: command lines show them."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Further arguments of Airflow's operator, by its own names."
    )

    def passed_on(self) -> dict[str, str]:
        """Return the environment variables of a driver elsewhere.

        Raises:
            ConfigurationError: One of them holds a secret.
        """
        inherited = {name: os.environ[name] for name in INHERITED if os.environ.get(name)}
        variables = {**inherited, **self.environment}
        for name, value in variables.items():
            if is_secret(name) or mask(value) != value:
                raise ConfigurationError(
                    f"spark.environment: {name} holds a secret, which a driver elsewhere must not be told this way.",
                    cause="what a driver elsewhere is given stands in command lines and in the cluster's pages",
                    remedy="put it into the driver's own environment: a secret of Kubernetes, of Databricks or of AWS",
                )
        return variables

    def store(self) -> str:
        """Return `$SYNALIGN_STORE` of a driver elsewhere.

        Raises:
            ConfigurationError: There is none.
        """
        store = self.passed_on().get("SYNALIGN_STORE", "")
        if not store:
            raise ConfigurationError(
                f"spark.engine == {self.engine!r}, needs SYNALIGN_STORE.",
                cause="the driver runs on another machine, and has to leave there what it made and how it ended",
                remedy="set SYNALIGN_STORE for Airflow and its workers: s3://bucket/prefix, or a folder that all mount",
            )
        return store

    def config(self, file: Path) -> str:
        """Return the path of a retriever's file as the driver sees it."""
        return f"{self.retrievers.rstrip('/')}/{file.name}" if self.retrievers else str(file)

    def needed_application(self) -> str:
        """Return where the driver's side finds the application.

        Raises:
            ConfigurationError: Nobody said so.
        """
        if self.application is None:
            raise ConfigurationError(
                f"spark.application is missing, spark.engine == {self.engine!r} needs it.",
                cause="the service reads the application from an address of its own, not from Airflow's disk",
                remedy="copy synalign/jobs/application.py there and name its address",
            )
        return self.application


class Home(Closed):
    """The file that `$SYNALIGN_SPARK` names."""

    spark: Spark = Field(default_factory=Spark, description="Where Spark steps run.")


def settings() -> Spark:
    """Return where Spark steps run: as the file of `$SYNALIGN_SPARK` says, or else by `SPARK_REMOTE` or spark-submit.

    Raises:
        ConfigurationError: The file cannot be read, or a key is unknown, of the wrong kind or out of range.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if not named:
        return Spark(engine="connect" if os.environ.get(REMOTE) else "submit")
    path = Path(named)
    written = settings_file.read(path)
    try:
        return Home.model_validate(dict(written)).spark
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(mistakes.explain(error, Home, str(path), written.lines)),
            remedy="change the keys named above; docs/production.md says what each may be",
        ) from error
