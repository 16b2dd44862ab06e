"""Prompt templates as versions in a real prompt registry of MLflow on SQLite."""

import json
from typing import Any

import pytest
from mlflow import MlflowClient

from synalign.prompts.templates import Template, parse
from synalign.registry import prompts
from synalign.registry.release import Release
from synalign.registry.training_sets import register

TEXT = (
    "You write for $$5.\n=== user ===\nWrite $count queries, ${queries_per_document} each.\n\n<data>\n$data\n</data>\n"
)


def client_of(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def template(text: str = TEXT) -> Template:
    return parse(text, "write", "a test")


def test_a_template_is_a_chat_prompt_that_mlflow_can_fill_linked_both_ways(release: Release, uri: str) -> None:
    done = register(release._replace(templates={"write": template()}), uri)
    client = client_of(uri)
    version = client.get_model_version(done.model, done.version)
    assert version.tags["prompt.write"] == "prompts:/shop-write-prompt/1"
    prompt = client.load_prompt(version.tags["prompt.write"])
    assert prompt.tags[prompts.DIGEST] == template().digest
    assert prompt.tags["synalign.first_training_set"] == prompt.tags["synalign.last_training_set"] == f"{done.model}/1"
    filled = prompt.format(count=3, queries_per_document=4, data="[]")
    assert [message["role"] for message in filled] == ["system", "user"]
    assert filled[0]["content"] == "You write for $5."
    assert filled[1]["content"].startswith("Write 3 queries, 4 each.")
    run = client.get_run(done.run_id)
    assert json.loads(run.data.tags["mlflow.linkedPrompts"]) == [{"name": "shop-write-prompt", "version": "1"}]
    shown = client.search_prompts(f"experiment_id = '{run.info.experiment_id}'")
    assert [found.name for found in shown] == ["shop-write-prompt"]


def test_the_same_wording_is_registered_once_and_another_one_is_the_next_version(release: Release, uri: str) -> None:
    client, used = client_of(uri), []
    for day, text in enumerate((TEXT, TEXT, TEXT.replace("Write", "Give"), TEXT)):
        night = release._replace(
            interval=f"2026030{day + 1}T000000Z-2026030{day + 2}T000000Z", templates={"write": template(text)}
        )
        done = register(night, uri)
        used.append(client.get_model_version(done.model, done.version).tags["prompt.write"][-1])
    assert used == ["1", "1", "2", "1"]
    tags = client.load_prompt("prompts:/shop-write-prompt/1").tags
    assert (tags["synalign.first_training_set"][-1], tags["synalign.last_training_set"][-1]) == ("1", "4")


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("name", ["create_prompt", "create_prompt_version", "set_prompt_version_tag"])
def test_killed_and_run_again_it_is_there_once(
    release: Release, uri: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = release._replace(templates={"write": template()})
    with monkeypatch.context() as patch:
        whole = getattr(MlflowClient, name)

        def dies(self: MlflowClient, *args: Any, **kwargs: Any) -> None:
            whole(self, *args, **kwargs)
            raise Killed

        patch.setattr(MlflowClient, name, dies)
        with pytest.raises(Killed):
            register(release, uri)
    done = register(release, uri)
    client = client_of(uri)
    assert client.get_model_version(done.model, done.version).tags["prompt.write"] == "prompts:/shop-write-prompt/1"
    assert len(client.search_prompt_versions("shop-write-prompt")) == 1


def test_a_server_that_got_a_request_twice_keeps_one_version(
    release: Release, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = MlflowClient.create_prompt_version

    def twice(self: MlflowClient, *args: Any, **kwargs: Any) -> Any:
        whole(self, *args, **kwargs)
        return whole(self, *args, **kwargs)

    monkeypatch.setattr(MlflowClient, "create_prompt_version", twice)
    register(release._replace(templates={"write": template()}), uri)
    found = client_of(uri).search_prompt_versions("shop-write-prompt")
    assert [version.version for version in found] == [1]


def test_a_template_that_mlflow_has_no_room_for_is_left_out(
    release: Release, uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    done = register(release._replace(templates={"write": template("x" * 100_000 + TEXT)}), uri)
    assert "prompt.write" not in client_of(uri).get_model_version(done.model, done.version).tags
    assert "the template of write is longer than MLflow's 100000 characters" in caplog.text


def test_a_registry_without_such_prompts_gets_none(release: Release, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "databricks-uc")
    release = release._replace(templates={"write": template()})
    assert prompts.log_prompts(client_of(uri), release, uri, "1", "run", "1") == {}
