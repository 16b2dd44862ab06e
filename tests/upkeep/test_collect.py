"""`synalign gc` takes what nothing refers to, and nothing else; on a file system and in object storage alike."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from synalign import cli
from synalign.config import Configuration, home
from synalign.errors import RegistryError, RunError
from synalign.flow import step
from synalign.pool.uptake import take_up
from synalign.registry import lookup
from synalign.run import Attempt, Run, root
from synalign.steps.carry import outside
from synalign.steps.job import perform
from synalign.steps.register import register
from synalign.storage import Place
from synalign.upkeep.collect import Found, collect
from tests.pool import world
from tests.report.runs import made_run
from tests.storage.conftest import bucket, s3_server

__all__ = ["bucket", "s3_server"]

Make = Callable[..., Configuration]
NOW, SOON = timedelta(0), timedelta(seconds=5)
WROTE = (("what is thing one", "d1"), ("how is thing two", "d2"))


@pytest.fixture
def uri(empty_database: bytes) -> str:
    path = home() / "mlflow" / "mlflow.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(empty_database)
    return f"sqlite:///{path}"


@pytest.fixture
def run(request: pytest.FixtureRequest, configuration: Make, uri: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose training set is registered; in object storage where a test asks for that."""
    if getattr(request, "param", "files") == "objects":
        monkeypatch.setenv("SYNALIGN_STORE", str(request.getfixturevalue("bucket")))
    made = made_run(configuration(), until="register", real=60, written=40)
    perform(made, "register", register)
    return made


def again(run: Run, name: str) -> Place:
    """Do a step once more to the same bytes; where it lay before."""
    before = run.step_folder(name)
    attempt = Attempt(run, step(name))
    attempt.begin()
    for table in attempt.step.writes:
        attempt.write(table, run.read(table))
    attempt.metrics = run.require(name)["metrics"]
    attempt.commit()
    return before


def listing(run: Run) -> dict[str, int]:
    return {str(place): size for place, size in run.folder.parent.tree() if place.name != ".lock"}


def soon(found: Found) -> dict[str, str]:
    return {str(each.folder): each.kind for each in found.rubbish}


@pytest.mark.parametrize("run", ["files", "objects"], indirect=True)
def test_what_counts_and_what_a_version_refers_to_is_kept(run: Run) -> None:
    registered = again(run, "assemble")
    queries = again(run, "ingest")
    dropped = [again(run, "screen"), again(run, "screen")]
    half = Attempt(run, step("align"))
    half.folder.make()
    half.write("weights", run.read("weights"))
    (run.folder / "journal" / "responses-x.jsonl").write_bytes(b"paid")
    (run.folder / "assemble" / "training_set" / "part-00000.parquet").write_bytes(b"of a time before attempts")
    before = listing(run)

    listed = collect("shop", older_than=NOW - timedelta(seconds=5), remove=False)
    expected = {**{str(folder): "superseded" for folder in dropped}, str(half.folder): "half-written"}
    assert soon(listed) == expected and not listed.removed and listing(run) == before
    assert listed.size == sum(size for place, size in before.items() if place.startswith(tuple(expected)))

    removed = collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    assert soon(removed) == expected and removed.removed
    assert listing(run) == {place: size for place, size in before.items() if not place.startswith(tuple(expected))}
    assert registered.exists() and queries.exists() and lookup.run_of(lookup.version("shop@1")).read("weights")
    assert collect(None, older_than=NOW - timedelta(seconds=5), remove=True).rubbish == ()


def test_the_young_are_left_unless_asked_for(run: Run) -> None:
    again(run, "screen")
    assert collect("shop", older_than=timedelta(days=1), remove=True).rubbish == ()
    assert len(collect("shop", older_than=NOW - timedelta(seconds=5), remove=False).rubbish) == 1


@pytest.mark.parametrize("run", ["files", "objects"], indirect=True)
def test_an_interval_at_work_is_left_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from synalign.storage import lease

    monkeypatch.setattr(lease, "RENEWED_AFTER", 0.2)
    monkeypatch.setattr(lease, "LOOKED_AFTER", 0.5)
    again(run, "screen")
    before = listing(run)
    with run.lock():
        found = collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    assert (found.rubbish, [str(place) for place in found.busy]) == ((), [str(run.folder)])
    assert listing(run) == before


def test_a_version_without_an_alias_or_whose_gate_failed_holds_its_tables_too(
    run: Run, configuration: Make, uri: str
) -> None:
    old = again(run, "assemble")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.delete_registered_model_alias("shop-training-set", "current")
    assert str(old) not in soon(collect("shop", older_than=NOW - timedelta(seconds=5), remove=False))


def test_runs_that_were_moved_keep_what_versions_refer_to(
    run: Run, configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, dropped = again(run, "assemble"), again(run, "screen")
    shutil.move(root(), tmp_path / "elsewhere" / "runs")
    monkeypatch.setenv("SYNALIGN_STORE", (tmp_path / "elsewhere").as_uri())
    found = collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    assert [place.rsplit("/", 1)[1] for place in soon(found)] == [dropped.name]
    assert (Run(configuration(), run.interval).folder / "assemble" / old.name / "manifest.json").exists()


@pytest.mark.parametrize("other", ["http://127.0.0.1:1", "sqlite"])
def test_nothing_is_removed_when_mlflow_cannot_be_asked_or_is_another(
    run: Run, other: str, monkeypatch: pytest.MonkeyPatch, empty_database: bytes, tmp_path: Path
) -> None:
    again(run, "screen")
    before = listing(run)
    if other == "sqlite":
        (tmp_path / "other.db").write_bytes(empty_database)
        other = f"sqlite:///{tmp_path / 'other.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError):
        collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    assert listing(run) == before


def test_a_removal_that_is_killed_is_found_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped = again(run, "screen")
    removed = Place.remove

    def killed(place: Place) -> None:
        if place == dropped:
            raise KeyboardInterrupt
        removed(place)

    with monkeypatch.context() as once:
        once.setattr(Place, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    found = collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    assert soon(found) == {str(dropped): "half-written"} and not dropped.exists()


def test_the_command_lists_and_removes_only_when_told(run: Run) -> None:
    dropped = again(run, "screen")

    def call(*arguments: str) -> str:
        done = CliRunner().invoke(cli.application, ["gc", *arguments], catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    assert call("shop") == "nothing to collect\n"
    shown = call("shop", "--older-than", "0")
    while "nothing to collect" in shown:
        # An attempt is named by the second it began in.
        shown = call("shop", "--older-than", "0")
    assert "superseded" in shown and str(dropped) in shown and "--yes removes them" in shown and dropped.exists()
    found = json.loads(call("--older-than", "0", "--yes", "--json"))
    assert [each["folder"] for each in found["rubbish"]] == [str(dropped)] and found["removed"] is True
    assert not dropped.exists()


def test_a_retriever_that_is_not_there_is_named() -> None:
    with pytest.raises(RunError, match="'shoe' has no run in"):
        collect("shoe", older_than=NOW, remove=False)


def test_another_mlflow_with_versions_of_the_same_numbers_is_told_from_the_right_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, empty_database: bytes, tmp_path: Path
) -> None:
    again(run, "screen")
    before = listing(run)
    (tmp_path / "other.db").write_bytes(empty_database)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    client = MlflowClient(tracking_uri=other, registry_uri=other)
    client.create_registered_model("shop-training-set")
    trial = client.create_run(client.create_experiment("refresh/shop", (tmp_path / "trial").as_uri()))
    for _ in range(2):
        client.create_model_version("shop-training-set", "x", trial.info.run_id)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    with pytest.raises(RegistryError, match="does not know version 1"):
        collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    assert listing(run) == before


def test_an_mlflow_that_lacks_the_newest_version_is_not_trusted_until_it_is_registered_again(
    run: Run, uri: str
) -> None:
    """As after its database was set back to a backup."""
    again(run, "screen")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.delete_model_version("shop-training-set", "1")
    with pytest.raises(RegistryError, match="does not know version 1"):
        collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    perform(run, "register", register)
    found = collect("shop", older_than=NOW - timedelta(seconds=5), remove=True)
    assert {each.folder.parent.name for each in found.rubbish} == {"screen", "register"}


def test_what_later_intervals_carry_is_kept(uri: str) -> None:
    settings = world.settings()
    early, late = (world.night(world.run_of(number, settings), script=world.Script(WROTE)) for number in range(2))
    # Judged and weighed again, and asked again: the attempts before are in nobody's use.
    world.night(early, script=world.Script((*WROTE, ("and thing three", "d3")), frozenset({WROTE[0][0]})))
    today = world.run_of(2, settings)
    expected = take_up(world.night(today, until="ingest"))
    before = outside(today)
    superseded = {each.folder.parent.name for each in collect("shop", older_than=NOW - SOON, remove=True).rubbish}
    assert superseded == {"generate", "embed_candidates", "screen", "align"}
    assert outside(today) == before
    found = take_up(today)
    assert found.rows.equals(expected.rows)
    assert set(found.rows["interval"].to_pylist()) == {early.interval.name, late.interval.name}


def test_a_run_that_was_deleted_by_hand_is_not_carried_and_breaks_nothing(uri: str) -> None:
    settings = world.settings()
    early, late = (world.night(world.run_of(number, settings), until="generate") for number in range(2))
    early.folder.remove()
    collect("shop", older_than=NOW - SOON, remove=True)
    found = take_up(world.night(world.run_of(2, settings), until="ingest"))
    assert set(found.rows["interval"].to_pylist()) == {late.interval.name}
    assert found.found == late.rows("candidates")
