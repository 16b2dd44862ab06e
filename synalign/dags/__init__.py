"""The DAGs, in the package: a DAG file that calls one of these functions has those of every retriever.

```text
from synalign.dags import refresh_dags  # Airflow reads files that name a dag of airflow
refresh_dags()
```

Airflow registers a DAG with the file that it is made for, whichever module makes it. Only light modules are imported
here, and no more than a file asks for: it is parsed all day long.
"""

from __future__ import annotations

from pathlib import Path

from airflow.configuration import conf
from airflow.sdk import DAG

__all__ = ["check_configurations", "experiment_dags", "refresh_dags", "train_dags"]


def refresh_dags(retrievers: Path | None = None) -> dict[str, DAG]:
    """Make `refresh__<retriever>` of every retriever's file; return them by id.

    Args:
        retrievers: The folder of the files where `$SYNALIGN_RETRIEVERS` names none; by default `retrievers` in
            Airflow's DAGs folder.
    """
    from synalign.dags import refresh

    return refresh.dags(_folder(retrievers))


def train_dags(retrievers: Path | None = None) -> dict[str, DAG]:
    """Make `train__<retriever>` of every file with `training.trigger: training_set`; else as `refresh_dags`."""
    from synalign.dags import train

    return train.dags(_folder(retrievers))


def experiment_dags(retrievers: Path | None = None) -> dict[str, DAG]:
    """Make `read_experiment__<retriever>` of every file with an `experiment:` section; else as `refresh_dags`."""
    from synalign.dags import read_experiment

    return read_experiment.dags(_folder(retrievers))


def check_configurations(retrievers: Path | None = None) -> None:
    """Raise every mistake in the retrievers' files at once, for Airflow's page of import errors; makes no DAG.

    Args:
        retrievers: See `refresh_dags`.

    Raises:
        ConfigurationError: There are some. The DAGs of the other files are there all the same.
    """
    from synalign.dags import configuration_errors

    configuration_errors.check(_folder(retrievers))


def _folder(retrievers: Path | None) -> Path:
    return retrievers or Path(conf.get_mandatory_value("core", "dags_folder")) / "retrievers"
