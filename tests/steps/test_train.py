"""A training from beginning to end on a small made language: trained, compared, registered, once."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from synalign.config import Configuration, Lora
from synalign.errors import RunError
from synalign.registry import serving
from synalign.registry.address import tracking_uri
from synalign.registry.served_model import fetch
from synalign.steps import train
from synalign.steps.train import Options, find, summary, trained
from tests.registry.shop import client_of
from tests.training.world import INTERVAL, world

Make = Callable[..., Configuration]
QUICK: dict[str, Any] = {"steps": 40, "batch_size": 12, "evaluations": 2, "learning_rate": 0.1}


@pytest.fixture
def shop(configuration: Make, make_model: Callable[[str], str], home: Path, empty_database: bytes) -> Configuration:
    (home / "mlflow").mkdir(parents=True)
    (home / "mlflow" / "mlflow.db").write_bytes(empty_database)
    return configuration(encoder={"model": make_model("static")}, training=QUICK)


def finished(shop: Configuration, version: str = "1") -> Any:
    run = world(shop)
    digest = run.require("assemble")["tables"]["training_set"]["digest"]
    return world(shop, registered={"version": version, "digest": digest})


def test_a_retriever_is_trained_compared_and_registered_and_the_same_again_is_the_same_version(
    shop: Configuration,
) -> None:
    run = finished(shop)
    done = trained(run, shop, Options())
    figures = done.figures
    assert (done.version, done.location, done.reused) == ("1", "models:/shop/1", False)
    assert figures["test"]["new"]["ndcg_at_10"] > figures["test"]["zero_shot"]["ndcg_at_10"] + 0.3
    assert figures["test"]["new_minus_zero_shot"]["lower"] > 0.0
    assert figures["gate"]["status"] == "passed" and figures["champion"] is None
    assert figures["queries"] == {"validation": 24, "test": 48}
    again = trained(run, shop, Options())
    assert again.reused and again._replace(reused=False) == done._replace(figures=json.loads(json.dumps(figures)))
    assert len(client_of(tracking_uri()).search_model_versions("name = 'shop'")) == 1
    # What Airflow keeps has no text of users.
    assert "find bat" not in json.dumps(summary(done)) and summary(done)["metrics"]["version"] == "1"


def test_the_next_is_compared_with_the_champion_and_a_worse_one_fails(shop: Configuration) -> None:
    run = finished(shop)
    first = trained(run, shop, Options())
    client_of(tracking_uri()).set_registered_model_alias("shop", serving.CHAMPION, first.version)
    second = trained(run, shop, Options(steps=2))
    assert second.version == "2"
    figures = second.figures
    assert figures["champion"]["version"] == "1" and not figures["champion"]["not_compared"]
    assert figures["test"]["champion"]["ndcg_at_10"] == first.figures["test"]["new"]["ndcg_at_10"]
    assert (figures["gate"]["status"], figures["gate"]["control"]) == ("failed", "champion")
    assert client_of(tracking_uri()).get_model_version("shop", "2").tags["gate"] == "failed"


def test_a_champion_that_cannot_be_read_is_told_of_and_the_gate_says_whom_it_compared_with(
    shop: Configuration,
) -> None:
    client = client_of(tracking_uri())
    client.create_registered_model("shop")
    client.create_model_version("shop", "https://models/shop")
    client.set_registered_model_alias("shop", serving.CHAMPION, "1")
    done = trained(finished(shop), shop, Options(steps=2, register=False))
    assert "https://models/shop" in done.figures["champion"]["not_compared"]
    assert done.figures["gate"]["control"] == "zero_shot"


def test_without_registering_the_model_lies_in_a_folder(shop: Configuration, home: Path) -> None:
    done = trained(world(shop), shop, Options(register=False))
    assert done.version is None and done.location is not None
    place = Path(done.location)
    assert place.parent == home / "trained" / "shop" and (place / "modules.json").is_file()
    assert not (place / "README.md").exists()
    assert [one.name for one in place.parent.iterdir()] == [place.name]
    assert trained(world(shop), shop, Options(register=False)).location == done.location


def test_a_set_that_is_not_registered_gives_no_version(shop: Configuration) -> None:
    with pytest.raises(RunError, match="is no version in MLflow"):
        trained(world(shop), shop, Options())


def test_the_model_before_training_is_not_registered_as_a_new_one(shop: Configuration) -> None:
    slow = shop.model_copy(update={"training": shop.training.model_copy(update={"learning_rate": 1e-12})})
    done = trained(finished(shop), slow, Options(steps=1))
    assert (done.figures["step"], done.location, done.version) == (0, None, None)
    assert not client_of(tracking_uri()).search_registered_models()


def test_settings_of_a_file_hold_where_a_file_is_named(shop: Configuration, tmp_path: Path) -> None:
    finished(shop)
    file = tmp_path / "shop.yaml"
    file.write_text(
        "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: x}\ntraining: {steps: 7}\n"
    )
    run, configuration = find(str(file))
    assert (run.interval, configuration.training.steps) == (INTERVAL, 7)
    assert find("shop")[1].training.steps == 40


def test_what_lora_trained_is_registered_as_a_plain_model(
    shop: Configuration, make_model: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"model": make_model("mean"), "lora": Lora(rank=4), "learning_rate": 1e-2}
    made = shop.model_copy(update={"training": shop.training.model_copy(update=settings)})
    done = trained(finished(made), made, Options(steps=20))
    assert done.version is not None and done.figures["settings"]["lora"]["rank"] == 4
    place = fetch(f"models:/shop/{done.version}", tmp_path, tracking_uri())
    assert not list(place.rglob("adapter*"))
    monkeypatch.setitem(sys.modules, "peft", None)
    before, after = (
        SentenceTransformer(folder, device="cpu").encode(["find bat"]) for folder in (settings["model"], str(place))
    )
    assert not np.allclose(before, after)


def test_what_was_trained_before_there_was_lora_is_found_again(shop: Configuration) -> None:
    run = finished(shop)
    whole = shop.training.model_copy(update={"model": shop.encoder.model})
    for settings, there in ((whole, False), (whole.model_copy(update={"lora": Lora()}), True)):
        assert ("lora" in train._beginning(run, shop, settings)["settings"]) == there
