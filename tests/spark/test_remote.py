"""A server that is none; what one gives is in `test_cluster`."""

import socket
from pathlib import Path
from typing import Any

import pytest

from synalign.errors import SetupError
from synalign.spark.remote import is_remote, local, parallelism
from synalign.spark.session import session


@pytest.mark.spark
def test_a_session_without_a_server_tells_of_its_cores(spark: Any) -> None:
    assert not is_remote(spark) and local(spark)
    assert parallelism(spark) == 2


@pytest.mark.spark
def test_a_server_that_does_not_answer_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from pyspark.sql import SparkSession

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"sc://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setenv("SPARK_REMOTE", address)
    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    with pytest.raises(SetupError, match="does not answer as a Spark Connect server") as error, session("nobody"):
        pass
    assert "unset SPARK_REMOTE" in error.value.remedy


@pytest.mark.spark
@pytest.mark.parametrize("address", ["spark://127.0.0.1:7077", "nonsense", "sc://"])
def test_what_is_no_address_is_refused(address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from pyspark.sql import SparkSession

    monkeypatch.setenv("SPARK_REMOTE", address)
    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)
    with pytest.raises(SetupError, match="does not answer as a Spark Connect server"), session("nobody"):
        pass
