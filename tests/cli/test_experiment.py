"""`synalign experiment ...` and `synalign lineage` from the command line, over a real MLflow database."""

import getpass
import json
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from typer.testing import CliRunner

from synalign.cli import application
from synalign.errors import ArgumentError, ConfigurationError, RegistryError, RunError
from synalign.experiment.assignment import vectors

RETRIEVER = """
retriever: shop
owner: search
schedule: {start: 2026-01-01}
source: {kind: beir, path: somewhere}
"""


@pytest.fixture(autouse=True)
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: bytes) -> str:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return address


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "plan.yaml"
    arms = [
        {"name": "control", "model_uri": "s3://models/shop/41"},
        {"name": "treatment", "model_uri": "s3://models/shop/42",
         "training_set": {"model": "shop-training-set", "version": 7, "digest": "ab" * 32}},
    ]  # fmt: skip
    content = {"id": "first", "retriever": "shop", "hypothesis": "More clicks.", "owner": "search",
               "salt": "shop-2026.03", "start": "2026-03-01", "stop": "2026-03-30", "arms": arms,
               "minimum_detectable_effect": 0.05, "primary": {"name": "clicks", "numerator": "clicks"},
               "baseline": {"mean": 0.4, "variance": 0.24, "units_per_day": 5000}}  # fmt: skip
    path.write_text(yaml.safe_dump(content))
    return path


def run(*arguments: object) -> str:
    done = CliRunner().invoke(application, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_life_of_an_experiment(plan_file: Path, uri: str) -> None:
    checked = run("experiment", "check", plan_file)
    assert "18,966 in the smaller arm, 37,932 in all" in checked
    # 37,932 units at 5,000 a day.
    assert "8 expected, at most 30" in checked
    started = run("experiment", "start", plan_file, "--by", "ann", "--at", "2026-03-01")
    assert "champion version 1, challenger version 2" in started
    assert "right; plan " in run("experiment", "start", plan_file, "--by", "bob")
    assert run("experiment", "list", "shop").startswith("first\t2026-03-01\t")
    run("experiment", "promote", "shop", "first", "--reason", "+5 %", "--by", "ann", "--at", "2026-03-10T09:30:00")
    assert "ended 2026-03-10, promoted by ann: +5 %" in run("experiment", "list", "shop")
    back = run("experiment", "roll-back", "shop", "--reason", "slow", "--by", "eve", "--at", "2026-03-12")
    assert "version 1, s3://models/shop/41 serves" in back
    told = [line.split()[3] for line in run("experiment", "record", "shop").splitlines()]
    assert told == ["started", "promoted", "rolled"]
    chain = json.loads(run("experiment", "record", "shop", "--json"))
    assert [event["previous"] for event in chain[1:]] == [event["digest"] for event in chain[:-1]]
    serving = {
        day: json.loads(run("lineage", "shop", "--at", day, "--json"))["champion"]["model_uri"]
        for day in ("2026-03-03", "2026-03-10", "2026-03-10T09:29:59", "2026-03-12T01:00:00+02:00", "2026-03-12")
    }
    assert [address[-2:] for address in serving.values()] == ["41", "42", "41", "42", "41"]
    assert "s3://models/shop/41 (version 1), 50.00% of units" in run("lineage", "shop", "--at", "2026-03-03")
    assert str(MlflowClient(uri, uri).get_model_version_by_alias("shop", "champion").version) == "1"


def test_an_experiment_ended_by_hand(plan_file: Path) -> None:
    run("experiment", "start", plan_file, "--by", "ann", "--at", "2026-03-01")
    ended = run("experiment", "end", "shop", "first", "--reason", "no difference", "--by", "ann", "--at", "2026-03-30")
    assert "ended 2026-03-30 00:00 UTC by ann; s3://models/shop/41 serves" in ended
    with pytest.raises(RegistryError, match="does not run"):
        run("experiment", "promote", "shop", "first", "--reason", "after all", "--by", "ann")


def test_a_changed_plan_is_refused_and_nothing_moves(plan_file: Path) -> None:
    run("experiment", "start", plan_file, "--by", "ann")
    plan_file.write_text(plan_file.read_text().replace("More clicks.", "Fewer clicks."))
    for command in ("check", "start"):
        with pytest.raises(RunError, match="a started plan cannot change"):
            run("experiment", command, plan_file)
    assert len(json.loads(run("experiment", "record", "shop", "--json"))) == 1


def test_assign_says_what_the_published_vectors_say(plan_file: Path) -> None:
    rows = [row for row in vectors()["assignments"] if (row["treatment_share"], row["traffic_share"]) == (0.5, 1.0)]
    shown = [row for row in rows if row["unit"].isprintable()]
    output = run("experiment", "assign", plan_file, *(row["unit"] for row in shown), "--day", "2026-03-02")
    assert output.splitlines() == [f"{row['unit']}\t{row['arm']}" for row in shown]
    assert run("experiment", "assign", plan_file, "user-1", "--day", "2026-02-28") == "user-1\tout\n"


def test_a_draft_knows_what_serves_and_the_newest_training_set(plan_file: Path, tmp_path: Path, uri: str) -> None:
    client = MlflowClient(uri, uri)
    client.create_registered_model("shop-training-set")
    client.create_model_version("shop-training-set", "s3://sets/1", tags={"digest": "cd" * 32})
    retriever = tmp_path / "shop.yaml"
    retriever.write_text(RETRIEVER)
    first = yaml.safe_load(run("experiment", "draft", retriever))
    assert first["arms"][0]["model_uri"] is None
    assert first["arms"][1]["training_set"] == {"model": "shop-training-set", "version": "1", "digest": "cd" * 32}
    run("experiment", "start", plan_file, "--by", "ann", "--at", "2026-03-01")
    run("experiment", "promote", "shop", "first", "--reason", "+5 %", "--by", "ann")
    second = yaml.safe_load(run("experiment", "draft", retriever))
    assert (second["owner"], second["arms"][0]["model_uri"]) == ("search", "s3://models/shop/42")
    assert second["arms"][0]["training_set"]["version"] == "7"
    draft = tmp_path / "draft.yaml"
    draft.write_text(yaml.safe_dump(second))
    with pytest.raises(ConfigurationError, match="hypothesis is empty"):
        run("experiment", "check", draft)


def test_the_schema_is_json(plan_file: Path) -> None:
    written, stored = (json.loads(run("experiment", "schema", *more)) for more in ((), ("--stored",)))
    assert set(written["required"]) < set(stored["required"]) == set(stored["properties"])


@pytest.mark.parametrize("at", ["maybe", "2026-13-01", "2026-03-03T25:00"])
def test_a_moment_that_is_none_is_refused(at: str) -> None:
    done = CliRunner().invoke(application, ["lineage", "shop", "--at", at])
    assert done.exit_code == 2
    assert "must be a day such as 2026-03-03" in done.output


def test_where_the_system_knows_no_user_a_name_must_be_given(plan_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr(getpass, "getuser", nobody)
    with pytest.raises(ArgumentError, match="by == ''"):
        run("experiment", "start", plan_file)
    assert run("experiment", "list", "shop") == ""


def test_help_teaches() -> None:
    for command in ("draft", "check", "start", "assign", "list", "end", "promote", "roll-back", "record", "schema"):
        assert len(run("experiment", command, "--help").splitlines()) > 5
    assert "Example: synalign lineage shop --at 2026-03-03" in run("lineage", "--help")


def registered(uri: str, *intervals: str, current: int | None) -> None:
    """Put versions of the training set of `shop` into MLflow."""
    client = MlflowClient(uri, uri)
    client.create_registered_model("shop-training-set")
    for interval in intervals:
        client.create_model_version("shop-training-set", "file:///x", tags={"interval": interval})
    if current is not None:
        client.set_registered_model_alias("shop-training-set", "current", str(current))


def test_before_the_first_promotion_lineage_says_what_is_current(uri: str) -> None:
    registered(uri, "first", "second", current=1)
    assert run("lineage", "shop").splitlines()[0] == ("shop: nothing is promoted yet; `current` is version 1 (first)")
    assert json.loads(run("lineage", "shop", "--json")) == {
        "retriever": "shop", "champion": None, "current": "1", "newest": "2"
    }  # fmt: skip


def test_where_no_version_is_current_the_newest_is_named(uri: str) -> None:
    registered(uri, "first", "second", current=None)
    assert "nothing is promoted yet; no version is `current`; the newest is version 2 (second)" in run(
        "lineage", "shop"
    )


def test_lineage_of_what_mlflow_does_not_know_is_no_mlflow_that_is_away(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError, match="nor any training set") as nothing:
        run("lineage", "shop")
    assert nothing.value.exit_code == 4 and "synalign refresh" in nothing.value.remedy
    registered(uri, "first", current=1)
    with pytest.raises(RunError, match="did you mean 'shop'"):
        run("lineage", "shpo")
    with pytest.raises(RunError, match=r"'blog'\.$|nothing of 'blog'"):
        run("lineage", "blog")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(RegistryError, match="refused") as away:
        run("lineage", "shop")
    assert away.value.exit_code == 7
