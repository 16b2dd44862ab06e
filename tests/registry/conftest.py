"""An MLflow database for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def uri(tmp_path: Path, empty_database: bytes) -> Iterator[str]:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    yield f"sqlite:///{tmp_path / 'mlflow.db'}"
