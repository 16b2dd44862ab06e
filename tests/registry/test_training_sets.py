"""Registration in a real MLflow on SQLite: complete, idempotent, and picked up again wherever it was killed."""

import json
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from synalign.errors import RegistryError, RunError
from synalign.registry.release import Release
from synalign.registry.training_sets import Registration, register
from tests.registry.conftest import DIGEST, EVALUATION


def client_of(uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def test_a_release_becomes_a_run_and_a_version_with_all_that_audits_it(
    release: Release, uri: str, tmp_path: Path
) -> None:
    done = register(release, uri)
    assert (done.model, done.version, done.current, done.reused) == ("shop-training-set", "1", True, False)
    client = client_of(uri)
    run = client.get_run(done.run_id)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "2026-02-28 to 2026-03-01"
    assert run.data.params == {"seed": "0", "sampling.batches": "3"}
    assert run.data.metrics["alignment/mmd2_after"] == 0.01
    assert [point.step for point in client.get_metric_history(done.run_id, "sampling/uncertainty")] == [1, 2, 3]
    inputs = {entry.dataset.name: entry for entry in run.inputs.dataset_inputs}
    assert set(inputs) == {"queries", "pairs", "documents", "training_set"}
    assert {tag.key: tag.value for tag in inputs["pairs"].tags}["sha256"] == DIGEST
    assert DIGEST.startswith(inputs["pairs"].dataset.digest)
    version = client.get_model_version("shop-training-set", "1")
    assert version.source == f"{run.info.artifact_uri}/training_set"
    for key, value in {"digest": DIGEST, "interval": release.interval, "rows": "3", "checks": "passed",
                       "location": str(release.location), "synalign.status": "ready",
                       "writer": "synalign-embedded-writer", "scheme": "equal_mass", "weights_validated": "true",
                       "gate": "passed", "gate_reason": "not shown to lose more than 0.5 %"}.items():  # fmt: skip
        assert version.tags[key] == value
    assert "failures" not in version.tags
    assert version.description.startswith("All checks passed. 3 rows, 2026-02-28 to 2026-03-01.")
    assert f"#/experiments/{run.info.experiment_id}/runs/{done.run_id}/artifacts/report.html" in version.description
    assert run.data.tags["mlflow.note.content"].startswith("All checks passed.")
    artifacts = {entry.path for entry in client.list_artifacts(done.run_id)}
    assert artifacts == {"configuration.yaml", "evaluation", "experiment", "manifests", "model", "training_set"}
    shown = Path(client.download_artifacts(done.run_id, "evaluation", str(tmp_path)))
    assert "equal_mass (treatment)" in (shown / "report.md").read_text()
    assert (shown / "arms.svg").read_text().startswith("<svg")
    kept = client.download_artifacts(done.run_id, "manifests/align.json", str(tmp_path))
    assert json.loads(Path(kept).read_text()) == release.manifests["align"]


def test_registering_again_gives_the_same_version(release: Release, uri: str) -> None:
    first = register(release, uri)
    second = register(release, uri)
    assert second == first._replace(reused=True)
    assert len(client_of(uri).search_model_versions("name = 'shop-training-set'")) == 1


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def test_killed_between_any_two_calls_and_run_again_gives_one_complete_version(
    release: Release, tmp_path: Path, empty_database: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ["create_experiment", "create_run", "create_registered_model", "create_model_version", "log_batch",
             "log_inputs", "log_artifacts", "log_text", "update_model_version", "update_run",
             "set_model_version_tag", "set_registered_model_alias"]  # fmt: skip
    for name in calls:
        database = tmp_path / f"{name}.db"
        database.write_bytes(empty_database)
        uri = f"sqlite:///{database}"
        with monkeypatch.context() as patch:
            whole = getattr(MlflowClient, name)

            def dies(self: MlflowClient, *args: Any, _whole: Any = whole, **kwargs: Any) -> Any:
                _whole(self, *args, **kwargs)
                raise Killed

            patch.setattr(MlflowClient, name, dies)
            with pytest.raises(Killed):
                register(release, uri)
        done = register(release, uri)
        client = client_of(uri)
        versions = client.search_model_versions("name = 'shop-training-set'")
        assert [version.run_id for version in versions] == [done.run_id], name
        assert versions[0].tags["synalign.status"] == "ready", name
        assert client.get_run(done.run_id).data.metrics["alignment/mmd2_after"] == 0.01, name
        points = client.get_metric_history(done.run_id, "weights/cumulative_share")
        assert [point.step for point in points] == list(range(101)), name
        assert versions[0].description.startswith("All checks passed."), name
        assert client.get_model_version_by_alias("shop-training-set", "current").run_id == done.run_id, name


def test_a_server_that_got_requests_twice_keeps_one_run_and_one_version(
    release: Release, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its answers are lost: MLflow's client then sends again by itself, and knows of one only."""
    made = ("create_experiment", "create_run", "create_registered_model", "create_model_version")
    for name in (*made, "delete_model_version", "delete_run"):
        whole = getattr(MlflowClient, name)

        def twice(self: MlflowClient, *args: Any, _whole: Any = whole, **kwargs: Any) -> Any:
            _whole(self, *args, **kwargs)
            return _whole(self, *args, **kwargs)

        monkeypatch.setattr(MlflowClient, name, twice)
    done = register(release, uri)
    client = client_of(uri)
    experiment = client.get_experiment_by_name("refresh/shop")
    assert [run.info.run_id for run in client.search_runs([experiment.experiment_id])] == [done.run_id]
    versions = client.search_model_versions("name = 'shop-training-set'")
    assert [(version.run_id, str(version.version)) for version in versions] == [(done.run_id, done.version)]
    assert versions[0].tags["synalign.status"] == "ready"
    monkeypatch.undo()
    assert register(release, uri) == done._replace(reused=True)


def test_a_set_that_fails_a_check_is_registered_and_moves_no_alias(release: Release, uri: str) -> None:
    good = register(release, uri)
    later = release._replace(
        interval="20260301T000000Z-20260302T000000Z", failures=("effective share 0.01 is below 0.1",)
    )
    bad = register(later, uri)
    assert (bad.version, bad.current) == ("2", False)
    client = client_of(uri)
    assert client.get_model_version("shop-training-set", "2").tags["checks"] == "failed"
    assert "0.01 is below" in client.get_model_version("shop-training-set", "2").tags["failures"]
    assert client.get_model_version_by_alias("shop-training-set", "current").run_id == good.run_id


def test_a_gate_that_failed_is_a_tag_with_its_reason_and_moves_no_alias(release: Release, uri: str) -> None:
    reason = "shown to lose more than 0.5 %"
    release.manifests["evaluate"]["metrics"] = {
        "scheme": "aligned", "validated": False, "reason": "not validated",
        "gate": {"status": "failed", "reason": reason},
    }  # fmt: skip
    done = register(release._replace(failures=(f"gate: {reason}",)), uri)
    assert not done.current
    tags = client_of(uri).get_model_version("shop-training-set", done.version).tags
    assert (tags["gate"], tags["gate_reason"]) == ("failed", reason)
    assert (tags["checks"], tags["weights_validated"]) == ("failed", "false")
    assert {entry.path for entry in client_of(uri).list_artifacts(done.run_id, "evaluation")} == {
        "evaluation/report.md"
    }


def test_the_same_set_with_another_evaluation_is_another_version(release: Release, uri: str) -> None:
    register(release, uri)
    gate = {"status": "passed", "reason": "looked at with other test queries"}
    release.manifests["evaluate"]["metrics"] = {**EVALUATION, "gate": gate}
    done = register(release, uri)
    assert (done.version, done.reused, done.current) == ("2", False, True)


def test_a_late_backfill_of_an_earlier_interval_does_not_move_the_alias_back(release: Release, uri: str) -> None:
    register(release, uri)
    earlier = register(release._replace(interval="20260101T000000Z-20260102T000000Z"), uri)
    assert (earlier.version, earlier.current) == ("2", False)


def test_an_interval_that_is_overtaken_between_looking_and_setting_gives_the_alias_back(
    release: Release, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when MLflow is away for a minute, and the request of the earlier one is sent again afterwards."""
    later = release._replace(interval="20260301T000000Z-20260302T000000Z")
    done: list[Registration] = []
    whole = MlflowClient.set_registered_model_alias

    def late(self: MlflowClient, *args: Any) -> None:
        if not done:
            monkeypatch.setattr(MlflowClient, "set_registered_model_alias", whole)
            done.append(register(later, uri))
        whole(self, *args)

    monkeypatch.setattr(MlflowClient, "set_registered_model_alias", late)
    assert not register(release, uri).current
    assert done[0].current
    current = client_of(uri).get_model_version_by_alias("shop-training-set", "current")
    assert str(current.version) == done[0].version


def test_a_version_that_somebody_let_serve_again_is_followed_by_the_next_and_not_by_the_one_they_left(
    release: Release, uri: str
) -> None:
    first = register(release, uri)
    register(release._replace(interval="20260303T000000Z-20260304T000000Z"), uri)
    client_of(uri).set_registered_model_alias("shop-training-set", "current", first.version)
    between = register(release._replace(interval="20260301T000000Z-20260302T000000Z"), uri)
    assert between.current
    assert str(client_of(uri).get_model_version_by_alias("shop-training-set", "current").version) == between.version


def test_a_server_that_is_down_is_named_without_its_password(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with pytest.raises(RegistryError) as error:
        register(release, "http://user:canary@127.0.0.1:9")
    assert "127.0.0.1:9" in str(error.value)
    assert "canary" not in str(error.value)


def test_a_ledger_that_does_not_add_up_is_never_registered(release: Release, uri: str) -> None:
    release.manifests["generate"]["metrics"]["ledger"]["asked_for"] = 13
    with pytest.raises(RunError, match=r"does not add up: 13 queries were asked for"):
        register(release, uri)
    assert client_of(uri).search_registered_models() == []
