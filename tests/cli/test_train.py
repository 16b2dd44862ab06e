"""The command train, as people call it: a table, where the model is, and the next command."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.errors import RunError, SetupError
from tests.cli.calling import call
from tests.training.world import world

Make = Callable[..., Configuration]
QUICK: dict[str, Any] = {"steps": 40, "batch_size": 12, "evaluations": 2, "learning_rate": 0.1}


@pytest.fixture
def shop(configuration: Make, make_model: Callable[[str], str], home: Path, empty_database: bytes) -> Configuration:
    (home / "mlflow").mkdir(parents=True)
    (home / "mlflow" / "mlflow.db").write_bytes(empty_database)
    made = configuration(encoder={"model": make_model("static")}, training=QUICK)
    digest = world(made).require("assemble")["tables"]["training_set"]["digest"]
    world(made, registered={"version": "1", "digest": digest})
    return made


def test_a_training_is_told_as_a_table_with_the_next_command(shop: Configuration) -> None:
    done = call("train", "shop", "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "shop version 1: contrastive on 72 rows of shop-training-set version 1" in done.output
    rows = {line.split()[0]: line.split() for line in done.output.splitlines() if line.startswith("  ")}
    assert float(rows["new"][1]) - float(rows["zero-shot"][1]) == pytest.approx(float(rows["zero-shot"][2]), abs=2e-4)
    assert "no champion serves yet" in done.output and "gate   passed" in done.output
    assert "model  models:/shop/1" in done.output
    assert "synalign experiment draft shop.yaml" in done.output
    again = call("train", "shop", "--json")
    found = json.loads(again.stdout)
    assert (found["reused"], found["version"]) == (True, "1")


def test_a_model_that_is_not_registered_lies_in_a_folder(shop: Configuration) -> None:
    done = call("train", "shop", "--no-register", "--steps", "20")
    assert done.exit_code == 0, done.output
    place = next(line.split()[1] for line in done.output.splitlines() if line.startswith("  model"))
    assert (Path(place) / "modules.json").is_file()


def test_what_cannot_be_is_told_before_anything_is_loaded(shop: Configuration, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(call("train", "shoe").exception, RunError)
    assert isinstance(call("train", "shop", "--device", "tpu").exception, SetupError)
    assert call("train", "shop", "--steps", "0").exit_code == 2
    monkeypatch.setitem(sys.modules, "accelerate", None)
    told = call("train", "shop").exception
    assert isinstance(told, SetupError) and "synalign[train]" in told.remedy


def test_help_teaches() -> None:
    shown = call("train", "--help").output
    for word in ("zero-shot", "champion", "evaluation.gate", "--no-register", "Example: synalign train shop@current"):
        assert word in shown
