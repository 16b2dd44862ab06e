"""`synalign forget`: what it says to people and to programs, and that a query need not stand on a command line."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner, Result

from synalign.cli.application import application
from synalign.run import Run
from tests.upkeep.conftest import QUERY, registered, remembered

__all__ = ["registered", "remembered"]


@pytest.fixture
def forget() -> Callable[..., Result]:
    def run(*arguments: str, typed: str | None = None) -> Result:
        return CliRunner().invoke(application, ["forget", *arguments], input=typed)

    return run


def test_it_says_what_went_and_who_still_holds_it(
    remembered: Run, registered: MlflowClient, forget: Callable[..., Result]
) -> None:
    said = forget(QUERY)
    assert said.exit_code == 0, said.output
    for expected in (
        "runs      1 had it: shop/20260228T000000Z-20260301T000000Z",
        "queries 2", "training_set 3", "journals  3 answers gone", "vectors   3 gone",
        "ingest leaves it out of every set of every retriever from now on",
        "versions  1 in MLflow still hold it", "shop@1 (alias current)", "query log",
    ):  # fmt: skip
        assert expected in said.output, expected
    assert "Jane" not in said.output, "what is forgotten is not said again"


def test_a_dry_run_says_that_it_is_one(remembered: Run, forget: Callable[..., Result]) -> None:
    said = forget(QUERY, "--dry-run", "--retriever", "shop")
    assert "would go" in said.output
    assert "would leave it out of every set of shop" in said.output
    assert "none in MLflow holds it" in said.output
    assert QUERY in remembered.read("queries")["query"].to_pylist()


def test_it_is_read_from_standard_input(remembered: Run, forget: Callable[..., Result]) -> None:
    told = json.loads(forget("-", "--json", typed=f"{QUERY}\n").output)
    assert told["rows"]["queries"] == 2
    assert QUERY not in remembered.read("queries")["query"].to_pylist()


def test_exact_leaves_what_only_quotes_it(remembered: Run, forget: Callable[..., Result]) -> None:
    told = json.loads(forget(QUERY, "--exact", "--json").output)
    assert "candidates" not in told["rows"]
    assert told["rows"]["queries"] == 2
