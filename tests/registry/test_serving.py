"""Arms, promotions and roll-backs in a real MLflow on SQLite."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from synalign.errors import ArgumentError, RegistryError
from synalign.experiment import ExperimentPlan
from synalign.experiment.plan import TrainingSet
from synalign.registry import record, serving
from tests.registry.shop import SET, aliases, client_of, day, registered_set

Make = Callable[..., ExperimentPlan]


def test_arms_become_versions_with_tags_and_aliases(plan: Make, uri: str) -> None:
    made = plan()
    done = serving.register_arms(made, uri, by="ann", at=day(1))
    assert (done.model, done.control, done.treatment) == ("shop", "1", "2")
    assert aliases(uri) == {"champion": "1", "challenger": "2"}
    control, treatment = (client_of(uri).get_model_version("shop", number) for number in "12")
    assert (control.source, treatment.source) == ("s3://models/shop/41", "s3://models/shop/42")
    assert control.tags == {"experiment": "first", "arm": "control", "plan_digest": made.digest,
                            "model_uri": "s3://models/shop/41"}  # fmt: skip
    assert treatment.tags == {
        "experiment": "first", "arm": "treatment", "plan_digest": made.digest, "model_uri": "s3://models/shop/42",
        "training_set.model": "shop-training-set", "training_set.version": "7", "training_set.digest": "ab" * 32,
    }  # fmt: skip
    assert (done.event.kind, done.event.by, done.event.at) == ("started", "ann", day(1))


def test_where_a_server_refuses_an_address_the_version_points_at_a_file_that_has_it(
    plan: Make, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An MLflow server refuses paths of its own disk and https as a source (seen with MLflow 3.17)."""
    real = MlflowClient.create_model_version

    def strict(self: Any, name: str, source: str, *more: Any, **named: Any) -> Any:
        if source.startswith("https"):
            raise MlflowException("'source' cannot use the 'https' scheme", INVALID_PARAMETER_VALUE)
        return real(self, name, source, *more, **named)

    monkeypatch.setattr(MlflowClient, "create_model_version", strict)
    arms = plan().model_dump(mode="json")["arms"]
    arms[0]["model_uri"] = "https://models.example/41"
    done = serving.register_arms(plan(arms=arms), uri)
    version = client_of(uri).get_model_version("shop", done.control)
    assert version.tags["model_uri"] == done.event.champion.model_uri == "https://models.example/41"
    assert version.source.endswith("/arms/control")
    held = client_of(uri).download_artifacts(done.run_id, "arms/control/model_uri.txt")
    assert Path(held).read_text() == "https://models.example/41\n"
    assert client_of(uri).get_model_version("shop", done.treatment).source == "s3://models/shop/42"


def test_a_repeated_start_changes_nothing_even_after_a_promotion(plan: Make, uri: str) -> None:
    made = plan()
    first = serving.register_arms(made, uri, at=day(1))
    assert serving.register_arms(made, uri, at=day(2)) == first
    serving.promote(made, "ann", day(3), "it works", uri)
    assert serving.register_arms(made, uri) == first
    assert aliases(uri) == {"champion": "2"}
    assert len(client_of(uri).search_model_versions("name = 'shop'")) == 2


class Killed(Exception):
    """Where a process ends."""


@pytest.fixture
def dies(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Makes the client die at its n-th writing call; 0: never again."""
    left = {"calls": 0}
    writing = ["create_run", "log_text", "log_param", "set_tag", "create_registered_model", "create_model_version",
               "set_registered_model_alias", "delete_registered_model_alias", "set_experiment_tag", "update_run",
               "create_experiment"]  # fmt: skip
    for name in writing:
        real = getattr(MlflowClient, name)

        def call(self: Any, *arguments: Any, real: Any = real, **named: Any) -> Any:
            if left["calls"] == 1:
                raise Killed
            left["calls"] -= 1
            return real(self, *arguments, **named)

        monkeypatch.setattr(MlflowClient, name, call)

    yield lambda calls: left.update(calls=calls)


def test_a_start_and_a_promotion_killed_anywhere_are_completed(
    plan: Make, uri: str, dies: Callable[[int], None]
) -> None:
    made = plan()
    kills = 0
    for act in (
        lambda: serving.register_arms(made, uri, at=day(1)),
        lambda: serving.promote(made, "ann", day(3), "it works", uri),
    ):
        for calls in range(1, 100):
            dies(calls)
            try:
                act()
                break
            except Killed:
                kills += 1
        dies(0)
    assert kills > 10
    chain = record.events(client_of(uri), "shop")
    assert [event.kind for event in chain] == ["started", "promoted"]
    assert aliases(uri) == {"champion": "2"}
    assert len(client_of(uri).search_model_versions("name = 'shop'")) == 2


def test_a_promotion_moves_the_champion_once(plan: Make, uri: str) -> None:
    made = plan()
    serving.register_arms(made, uri, at=day(1))
    event = serving.promote(made, "ann", day(9), "+5 %", uri)
    assert serving.promote(made, "bob", day(10), "again", uri) == event
    assert (event.by, event.reason, event.champion_before, event.champion.version) == ("ann", "+5 %", "1", "2")
    assert event.champion.training_set == SET
    assert aliases(uri) == {"champion": "2"}


def test_a_promotion_that_was_rolled_back_is_not_repeated_by_an_old_task(plan: Make, uri: str) -> None:
    made = plan()
    serving.register_arms(made, uri, at=day(1))
    promoted = serving.promote(made, "ann", day(9), "+5 %", uri)
    back = serving.roll_back("shop", "bob", day(10), "slow", uri)
    assert serving.roll_back("shop", "bob", day(10), "slow", uri) == back
    assert serving.promote(made, "ann", day(9), "+5 %", uri) == promoted
    assert aliases(uri) == {"champion": "1"}
    assert (back.champion_before, back.champion.version, back.experiment) == ("2", "1", "first")
    with pytest.raises(RegistryError, match="no champion to go back to"):
        serving.roll_back("shop", "bob", day(11), "slow", uri)


def test_a_rejection_changes_nothing_and_is_kept(plan: Make, uri: str) -> None:
    made = plan()
    serving.register_arms(made, uri, at=day(1))
    first = serving.reject(made, "nobody", day(5), "no answer", uri)
    assert serving.reject(made, "nobody", day(5), "no answer", uri) == first
    assert serving.reject(made, "ann", day(6), "wait", uri).number == 3
    assert aliases(uri) == {"champion": "1", "challenger": "2"}
    serving.promote(made, "ann", day(7), "now", uri)


def test_an_end_takes_the_challenger_away_and_nothing_is_promoted_afterwards(plan: Make, uri: str) -> None:
    made = plan()
    serving.register_arms(made, uri, at=day(1))
    ended = serving.end(made, "ann", day(20), "no difference", uri)
    assert serving.end(made, "bob", day(21), "other", uri) == ended
    assert aliases(uri) == {"champion": "1"}
    with pytest.raises(RegistryError, match="does not run: ended"):
        serving.promote(made, "ann", day(22), "late", uri)
    assert [event.kind for event in record.events(client_of(uri), "shop")] == ["started", "ended"]


def test_what_was_never_started_cannot_be_promoted_rejected_or_ended(plan: Make, uri: str) -> None:
    serving.register_arms(plan(), uri, at=day(1))
    for act in (serving.promote, serving.reject, serving.end):
        with pytest.raises(RegistryError, match="was never started as plan"):
            act(plan(power=0.9), "ann", day(2), "why", uri)
        with pytest.raises(ArgumentError):
            act(plan(), "", day(2), "why", uri)
        with pytest.raises(ArgumentError):
            act(plan(), "ann", datetime(2026, 3, 2), "why", uri)
    assert len(record.events(client_of(uri), "shop")) == 1


def test_one_experiment_at_a_time(plan: Make, second: ExperimentPlan, uri: str) -> None:
    serving.register_arms(plan(), uri, at=day(1))
    with pytest.raises(RegistryError, match="has the experiment 'first' running"):
        serving.register_arms(second, uri, at=day(2))


def test_the_control_must_be_what_serves(plan: Make, second: ExperimentPlan, uri: str) -> None:
    serving.register_arms(plan(), uri, at=day(1))
    serving.end(plan(), "ann", day(2), "no difference", uri)
    with pytest.raises(RegistryError, match="but s3://models/shop/41 serves"):
        serving.register_arms(second, uri, at=day(3))


def test_a_champion_from_before_the_first_experiment_counts_as_what_serves(plan: Make, uri: str) -> None:
    client = client_of(uri)
    client.create_registered_model("shop")
    client.create_model_version("shop", "s3://models/shop/40")
    client.set_registered_model_alias("shop", "champion", "1")
    assert serving.champion("shop", uri) == record.Served("1", "s3://models/shop/40", None)
    with pytest.raises(RegistryError, match="but s3://models/shop/40 serves"):
        serving.register_arms(plan(), uri)
    client.create_model_version("shop", "s3://models/shop/41")
    client.set_registered_model_alias("shop", "champion", "2")
    assert serving.register_arms(plan(), uri).event.champion_before == "2"
    assert aliases(uri) == {"champion": "3", "challenger": "4"}


def test_an_alias_moved_by_hand_is_told_and_not_overwritten(plan: Make, uri: str) -> None:
    made = plan()
    serving.register_arms(made, uri, at=day(1))
    client = client_of(uri)
    client.set_registered_model_alias("shop", "champion", "2")
    with pytest.raises(RegistryError, match="is at version 2, the record says 1"):
        serving.promote(made, "ann", day(2), "why", uri)
    client.set_registered_model_alias("shop", "champion", "1")
    serving.promote(made, "ann", day(2), "why", uri)
    client.delete_registered_model_alias("shop", "champion")
    with pytest.raises(RegistryError, match="is at version None, the record says 2"):
        serving.roll_back("shop", "ann", day(3), "why", uri)


def test_a_training_set_of_another_digest_is_refused(plan: Make, uri: str) -> None:
    registered_set(uri, "ff" * 32)
    with pytest.raises(RegistryError, match="shop-training-set version 7 has ffff"):
        serving.register_arms(plan(), uri)
    with pytest.raises(MlflowException):
        client_of(uri).get_registered_model("shop")


def test_the_newest_training_set_is_the_current_one(uri: str) -> None:
    assert serving.newest_training_set("shop", uri) is None
    assert serving.champion("shop", uri) is None
    registered_set(uri, "ab" * 32)
    assert serving.newest_training_set("shop", uri) == TrainingSet(**SET)
    client_of(uri).set_registered_model_alias("shop-training-set", "current", "5")
    newest = serving.newest_training_set("shop", uri)
    assert newest is not None and newest.version == "5"
