"""Trained retrievers in MLflow: loaded back as they were, found again by their key, tried by an experiment."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import yaml

from synalign.errors import RegistryError
from synalign.experiment import ExperimentPlan, TrainingSet
from synalign.registry import serving, trained
from synalign.registry.address import VARIABLE
from synalign.registry.served_model import fetch
from synalign.training.retriever import retriever
from tests.registry.shop import SET, aliases, client_of

KEY = "12" * 32


def figures(**others: Any) -> dict[str, Any]:
    compared = {"difference": 0.1, "lower": 0.05, "upper": 0.15, "p_value": 0.001, "relative": None}
    return {
        "retriever": "shop", "owner": "search", "training_set": SET, "seed": 0, "rows": 72, "loss": "contrastive",
        "base": {"model": "tiny", "revision": "ef" * 32}, "settings": {"steps": 30, "learning_rate": None},
        "steps": 30, "step": 20, "validation": {"0": 0.2, "20": 0.6},
        "test": {"zero_shot": {"ndcg_at_10": 0.5}, "new": {"ndcg_at_10": 0.6}, "new_minus_zero_shot": compared},
        "gate": {"status": "passed", "reason": "not shown to lose", "control": "zero_shot"}, **others,
    }  # fmt: skip


@pytest.fixture
def model(make_model: Callable[[str], str]) -> Any:
    return retriever(make_model("mean"), 32, "cpu")


def registered(model: Any, uri: str, key: str = KEY, **others: Any) -> trained.Trained:
    return trained.register("shop", key, model, figures(**others), "model_uri: {}".format, uri)


def test_a_registered_model_loads_back_with_its_vectors_and_says_where_it_came_from(model: Any, uri: str) -> None:
    before = dict(os.environ)
    made = registered(model, uri)
    assert made.uri == "models:/shop/1" and dict(os.environ) == before
    client = client_of(uri)
    version = client.get_model_version("shop", "1")
    assert {name: version.tags[f"training_set.{name}"] for name in SET} == SET
    assert (version.tags["gate"], version.tags["base"], version.tags["step"]) == ("passed", "tiny", "20")
    assert client.get_registered_model("shop").aliases == {}
    run = client.get_run(made.run_id)
    assert client.get_experiment(run.info.experiment_id).name == "train/shop" and run.info.status == "FINISHED"
    assert run.data.metrics["validation/ndcg_at_10"] == 0.6
    assert run.data.metrics["test/new_minus_zero_shot/difference"] == 0.1
    mlflow.set_tracking_uri(uri)
    try:
        loaded = mlflow.sentence_transformers.load_model(made.uri)
    finally:
        mlflow.set_tracking_uri(None)
        os.environ.pop(VARIABLE, None)
    assert np.allclose(loaded.encode(["find bat"]), model.encode(["find bat"]), atol=1e-6)


def test_no_text_of_a_training_is_kept_beside_the_model(model: Any, uri: str, tmp_path: Path) -> None:
    folder = fetch(registered(model, uri).uri, tmp_path / "fetched", uri)
    assert (folder / "model.safetensors").is_file()
    assert not list(folder.rglob("README.md"))


def test_the_plan_beside_it_names_the_same_model(model: Any, uri: str, tmp_path: Path) -> None:
    made = registered(model, uri)
    place = client_of(uri).download_artifacts(made.run_id, trained.DRAFT, str(tmp_path))
    address = yaml.safe_load(Path(place).read_text())["model_uri"]
    first, second = (
        retriever(str(fetch(one, tmp_path / name, uri)), 32, "cpu") for name, one in (("a", address), ("b", made.uri))
    )
    assert np.array_equal(first.encode(["x"]), second.encode(["x"]))


def test_the_same_key_is_found_again_and_another_is_not(model: Any, uri: str) -> None:
    assert trained.find("shop", KEY, uri) is None
    made = registered(model, uri)
    assert trained.find("shop", KEY, uri) == made
    assert made.figures == json.loads(json.dumps(figures()))
    assert trained.find("shop", "34" * 32, uri) is None


def test_an_interrupted_registration_leaves_no_version_and_no_run(
    model: Any, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(model, "save", interrupted)
        with pytest.raises(KeyboardInterrupt):
            registered(model, uri)
    client = client_of(uri)
    assert not client.search_model_versions("name = 'shop'")
    place = client.get_experiment_by_name("train/shop").experiment_id
    assert not client.search_runs([place]) and not client.search_logged_models([place])
    assert registered(model, uri).version == "1"


def test_the_newest_that_did_not_fail_is_what_an_experiment_tries(model: Any, uri: str) -> None:
    assert trained.newest("shop", uri) is None
    registered(model, uri)
    failed = {"status": "failed", "reason": "shown to lose", "control": "champion"}
    registered(model, uri, "34" * 32, gate=failed)
    assert trained.newest("shop", uri) == trained.Candidate("models:/shop/1", TrainingSet(**SET))


def test_an_experiment_takes_a_trained_retriever_and_its_winner_is_what_is_compared_with_next(
    model: Any, uri: str, plan: Callable[..., ExperimentPlan], tmp_path: Path
) -> None:
    made = registered(model, uri)
    arms = [
        {"name": "control", "model_uri": "s3://models/shop/41"},
        {"name": "treatment", "model_uri": made.uri, "training_set": SET},
    ]
    tried = plan(arms=arms)
    started = serving.register_arms(tried, uri)
    assert aliases(uri) == {"champion": started.control, "challenger": started.treatment}
    serving.promote(tried, "ann", tried_at := started.event.at, "+5 %", uri)
    assert tried_at
    champion = serving.champion("shop", uri)
    assert champion is not None and champion.model_uri == made.uri and champion.training_set == SET
    served = retriever(str(fetch(champion.model_uri, tmp_path, uri)), 32, "cpu")
    assert np.allclose(served.encode(["x"]), model.encode(["x"]), atol=1e-6)


@pytest.mark.parametrize("address", ["models:/shop/9", "https://models/shop", "/no/such/folder", "runs:/" + "0" * 32])
def test_a_champion_that_is_not_there_is_told(uri: str, tmp_path: Path, address: str) -> None:
    with pytest.raises(RegistryError, match="cannot be compared with") as caught:
        fetch(address, tmp_path, uri)
    assert address in caught.value.message
