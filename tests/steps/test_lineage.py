"""What steps tell OpenLineage, read back from its file transport, against the manifests of the run."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from synalign import flow, retriever_files
from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.steps import lineage
from synalign.steps.lineage import MOST_FILES, _few, configured
from synalign.writer.server import embedded_writer
from tests.steps.test_generate import prepared, settings

pytest.importorskip("openlineage.client", reason="the extra `lineage` is not installed")

JOBS = Path(__file__).parent.parent.parent / "jobs"
WHEN = ("--start", "2026-01-01", "--end", "2026-01-02")


def job(name: str, file: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(JOBS / f"{name}.py"), "--config", str(file), *WHEN]
    return subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], Run]:
    """Events of real jobs: *generate* that is done, done again, and fails; *carry* after it."""
    folder = tmp_path_factory.mktemp("lineage")
    home = folder / "home"
    file = folder / "r.yaml"
    file.write_text(yaml.safe_dump(settings()))
    prepared(home / "runs")
    events = folder / "events.jsonl"
    variables = {
        "SYNALIGN_HOME": str(home),
        "OPENLINEAGE__TRANSPORT__TYPE": "file",
        "OPENLINEAGE__TRANSPORT__LOG_FILE_PATH": str(events),
        "OPENLINEAGE__TRANSPORT__APPEND": "true",
        "OPENLINEAGE_NAMESPACE": "shop-team",
    }
    with embedded_writer() as url:
        for name in ("generate", "generate", "carry"):
            done = job(name, file, SYNALIGN_WRITER_URL=url, **variables)
            assert done.returncode == 0, done.stderr[-3000:]
    wrong = folder / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(settings(model="m")))
    # The steps before it were done with other settings.
    assert job("generate", wrong, **variables).returncode == 4
    run = Run(retriever_files.load(file), Interval.parse("2026-01-01", "2026-01-02"), home / "runs")
    return [json.loads(line) for line in events.read_text().splitlines()], run


def test_each_try_has_its_beginning_and_its_end(told: tuple[list[dict[str, Any]], Run]) -> None:
    events = [(event["job"]["name"], event["eventType"]) for event in told[0]]
    assert events == [
        ("r.generate", "START"), ("r.generate", "COMPLETE"),
        ("r.generate", "START"), ("r.generate", "COMPLETE"),
        ("r.carry", "START"), ("r.carry", "COMPLETE"),
        ("r.generate", "START"), ("r.generate", "FAIL"),
    ]  # fmt: skip
    ids = [event["run"]["runId"] for event in told[0]]
    assert [ids[n] == ids[n + 1] for n in range(0, 8, 2)] == [True] * 4
    assert len(set(ids)) == 4
    assert {event["job"]["namespace"] for event in told[0]} == {"shop-team"}


def test_outputs_have_the_digests_rows_and_bytes_of_the_manifest(told: tuple[list[dict[str, Any]], Run]) -> None:
    events, run = told
    manifest = run.manifest("generate")
    assert manifest is not None
    outputs = {output["name"].rpartition("/")[2]: output for output in events[1]["outputs"]}
    assert set(outputs) == set(flow.step("generate").writes)
    for table, output in outputs.items():
        kept = manifest["tables"][table]
        assert output["facets"]["version"]["datasetVersion"] == kept["digest"] == run.digest(table)
        written = output["outputFacets"]["outputStatistics"]
        files = list(run.table_folder(table).local.glob("*.parquet"))  # type: ignore[union-attr]
        assert (written["rowCount"], written["size"]) == (kept["rows"], sum(path.stat().st_size for path in files))
        assert output["facets"]["dataSource"]["uri"] == f"file://{run.table_folder(table)}"
    # A step that is reused tells the same of its tables.
    assert events[3]["outputs"] == events[1]["outputs"]


def test_inputs_have_the_digests_of_what_was_read_and_the_names_of_what_was_written(
    told: tuple[list[dict[str, Any]], Run],
) -> None:
    events, run = told
    inputs = {
        source["name"].rpartition("/")[2]: source for source in events[0]["inputs"] if source["namespace"] == "file"
    }
    assert set(inputs) == set(flow.step("generate").reads)
    # What is read from outside: the prompts.
    outside = {source["name"]: source for source in events[0]["inputs"] if source["namespace"] == "synalign"}
    manifest = run.manifest("generate")
    assert manifest is not None
    assert {name: source["facets"]["version"]["datasetVersion"] for name, source in outside.items()} == {
        f"r/{name}": digest for name, digest in manifest["outside"].items()
    }
    assert len(outside) == 2
    for table, source in inputs.items():
        assert source["facets"]["version"]["datasetVersion"] == run.digest(table)
    # By its name a catalogue joins what one step writes to what another reads.
    written = {output["name"]: output["namespace"] for output in events[5]["outputs"]}
    assert written == {inputs["carried"]["name"]: "file"}
    assert inputs["carried"]["name"] == f"{run.folder.parent}/carried"


def test_a_failure_is_told_in_its_own_words_and_without_outputs(told: tuple[list[dict[str, Any]], Run]) -> None:
    failed = told[0][-1]
    assert failed["run"]["facets"]["errorMessage"]["message"].startswith("RunError: ")
    assert "was made with other settings" in failed["run"]["facets"]["errorMessage"]["message"]
    assert failed["outputs"] == []


def test_the_interval_is_the_nominal_time(told: tuple[list[dict[str, Any]], Run]) -> None:
    time = told[0][0]["run"]["facets"]["nominalTime"]
    assert (time["nominalStartTime"], time["nominalEndTime"]) == (
        "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OPENLINEAGE_NAMESPACE": "x"}, False),
        ({"OPENLINEAGE_URL": "http://127.0.0.1:9"}, True),
        ({"OPENLINEAGE_URL": "http://127.0.0.1:9", "OPENLINEAGE_DISABLED": "true"}, False),
        ({"OPENLINEAGE__TRANSPORT__TYPE": "file"}, True),
    ],
)
def test_nothing_is_told_where_no_transport_is_configured(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OPENLINEAGE")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert configured() is expected


def test_a_catalogue_that_is_away_costs_a_warning_and_no_step(
    configuration: Callable[..., Configuration], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TYPE", "http")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENLINEAGE__TRANSPORT__TIMEOUT", "1")
    run = Run(configuration(), Interval.parse("2026-01-01", "2026-01-02"), tmp_path)
    with lineage.told(run, "ingest", dict) as step:
        step.summary = {"step": "ingest"}
    assert "OpenLineage was not told" in caplog.text


def test_many_files_are_one_dataset_with_a_digest_of_their_digests() -> None:
    files = {f"/log/day={n}/part.parquet": f"{n:064x}" for n in range(MOST_FILES + 1)} | {"/log/_SUCCESS": "0" * 64}
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    assert _few(files) == {"/log": hashlib.sha256(listing.encode()).hexdigest()}
    assert _few({"a": "b"}) == {"a": "b"}
