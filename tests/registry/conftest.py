"""An MLflow database for each test, copied from an empty one: making its schema takes seconds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """MLflow's schema takes seconds to make: made once, copied for every test."""
    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}", registry_uri=f"sqlite:///{path}").search_experiments()
    return path.read_bytes()


@pytest.fixture
def uri(tmp_path: Path, empty_database: bytes) -> Iterator[str]:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    yield f"sqlite:///{tmp_path / 'mlflow.db'}"
