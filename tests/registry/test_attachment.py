"""The report among the artefacts of its run."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from synalign.errors import RegistryError, RunError
from synalign.registry.attachment import attach


@pytest.fixture
def run_id(uri: str, tmp_path: Path) -> str:
    client = MlflowClient(tracking_uri=uri)
    place = client.create_experiment("refresh/shop", (tmp_path / "artifacts").as_uri())
    return str(client.create_run(place).info.run_id)


def test_the_report_lies_at_the_root_under_its_own_name_and_is_replaced(uri: str, run_id: str, tmp_path: Path) -> None:
    path = tmp_path / "another-name.html"
    for content in ("<p>first</p>", "<p>second</p>"):
        path.write_text(content)
        assert attach(run_id, path, uri) is None
    client = MlflowClient(tracking_uri=uri)
    assert [entry.path for entry in client.list_artifacts(run_id)] == ["report.html"]
    assert Path(client.download_artifacts(run_id, "report.html", str(tmp_path))).read_text() == "<p>second</p>"


def test_where_people_open_it_may_differ_from_where_jobs_reach_mlflow(
    uri: str, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report.html").write_text("<p>it</p>")
    monkeypatch.setenv("SYNALIGN_MLFLOW_URL", "https://reader:canary@mlflow.example/")
    shown = attach(run_id, tmp_path / "report.html", uri)
    experiment = MlflowClient(tracking_uri=uri).get_run(run_id).info.experiment_id
    assert shown is not None
    assert shown.startswith(f"https://mlflow.example/#/experiments/{experiment}/runs/{run_id}/artifacts/report.html?")


def test_a_report_that_was_not_written_is_an_error(uri: str, run_id: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"report\.html is not there"):
        attach(run_id, tmp_path / "report.html", uri)


def test_a_run_that_is_gone_is_named(uri: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("<p>it</p>")
    with pytest.raises(RegistryError, match="0123"):
        attach("0123", tmp_path / "report.html", uri)
