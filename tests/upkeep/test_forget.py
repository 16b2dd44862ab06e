"""A forgotten query is nowhere afterwards, all else is as it was, and after a kill the next run finishes it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from synalign import flow
from synalign.config import Configuration
from synalign.errors import ArgumentError, BusyError, RegistryError
from synalign.generation.journal import Entry, Journal
from synalign.generation.provider_record import RECORD, Record, Sent
from synalign.querylog import tombstones
from synalign.querylog.trace import Trace
from synalign.run import Attempt, Interval, Run, manifests
from synalign.storage import Place, StaleError
from synalign.storage.files import _Files
from synalign.tables import content_id
from synalign.upkeep import rows
from synalign.upkeep.forget import forget
from tests.upkeep.conftest import BYSTANDERS, CARRIED, NOW, OTHER, QUERY, WRITTEN, key, make_run, tables

STRIDE = int(os.environ.get("FORGET_KILL_STRIDE", "11"))
"""Writes between two of those at which it is killed: with 1, it is killed at each, which takes six minutes."""

FORGOTTEN = (QUERY, OTHER, WRITTEN[0], CARRIED[0])
GOING = {content_id(*parts) for text in FORGOTTEN for parts in ((text,), (text, "d1"))}


def traces(folder: Path, trace: Trace | None = None) -> list[str]:
    """Every file in which the query, in any form, is still to be found: an oracle that knows no table."""
    trace = trace or Trace(QUERY)
    return [str(path) for path in sorted(folder.rglob("*")) if path.is_file() and any(hits(path, trace))]


def hits(path: Path, trace: Trace) -> Iterator[bool]:
    content = path.read_bytes()
    if content.startswith(b"PAR1"):
        for row in pq.read_table(io.BytesIO(content)).to_pylist():
            texts = [value for value in row.values() if isinstance(value, str)]
            yield any(value in GOING or trace.in_json(value) for value in texts)
    elif path.name != "mlflow.db":
        yield any(trace.in_json(line) for line in content.decode("utf-8", "replace").splitlines())
        yield any(identity.encode() in content for identity in GOING)


def test_before_it_is_everywhere(remembered: Run, home: Path) -> None:
    found = {Path(path).parent.name for path in traces(home)}
    steps = {table for step in flow.STEPS for table in step.writes} - {"documents", "document_embeddings", "choice"}
    assert steps - {"requests"} <= found


def test_afterwards_it_is_nowhere(remembered: Run, home: Path) -> None:
    told = forget(QUERY)
    assert traces(home) == []
    assert told.rows == {
        "queries": 2, "pairs": 2, "skips": 1, "rejected": 1, "query_embeddings": 2, "demonstrations": 1,
        "attributes": 1, "traces": 1, "candidates": 1, "candidate_embeddings": 1, "carried": 1,
        "carried_embeddings": 1, "pool": 2, "screening": 2, "weights": 2, "negatives": 4, "scores": 4,
        "evaluation": 1, "training_set": 3,
    }  # fmt: skip
    assert (told.answers, told.vectors, told.reports, told.examples) == (3, 3, 1, 1)
    assert told.held == ()


def test_what_killed_writers_left_goes_too(remembered: Run, home: Path) -> None:
    (cached,) = (home / "embeddings").iterdir()
    step = Path(remembered.folder) / "sample"
    left = [folder / ".any.0123abcd.draft" for folder in (cached, step, step.parent, Path(remembered.journal))]
    for draft in left:
        draft.write_text(QUERY)
    forget(QUERY, dry=True)
    assert all(draft.exists() for draft in left)
    forget(QUERY)
    assert traces(home) == []


def test_all_else_stays_as_it_was(remembered: Run) -> None:
    forget(QUERY)
    for name, before in tables().items():
        gone = [row for row in before.to_pylist() if row not in remembered.read(name).to_pylist()]
        assert all(any(value in GOING or _quotes(value) for value in row.values()) for row in gone), name
    assert set(remembered.read("queries")["query"].to_pylist()) == set(BYSTANDERS)
    with Journal(remembered.journal) as journal:
        assert len(journal) == 1
        assert journal.get(key("write", "b2")) is not None


def _quotes(value: Any) -> bool:
    return isinstance(value, str) and Trace(QUERY).in_json(value)


def test_the_run_can_still_be_read_and_says_what_was_taken_out(remembered: Run) -> None:
    before = remembered.digest("queries")
    forget(QUERY)
    for step in flow.before("report"):
        assert manifests.intact(remembered.folder / step.name, remembered.require(step.name)), step.name
    note = remembered.require("ingest")["forgotten"][0]
    assert note["tables"]["queries"] == {"rows": 2, "was": before}
    assert remembered.manifest("report") is None
    assert "forgotten" not in remembered.require("assemble")["inputs"]


def test_a_dry_run_says_the_same_and_changes_nothing(remembered: Run, home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    dry = forget(QUERY, dry=True)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before
    assert not tombstones.lists("shop")
    assert forget(QUERY) == dry


def test_a_second_time_there_is_nothing_left_to_do(remembered: Run) -> None:
    forget(QUERY)
    told = forget(QUERY)
    assert told.listed
    assert (told.rows, told.answers, told.vectors, told.runs) == ({}, 0, 0, ())


def test_a_query_that_is_nowhere_is_listed_all_the_same(remembered: Run, home: Path) -> None:
    before = {place: place.read_bytes() for place, _ in Place(home / "runs").tree()}
    told = forget("never typed by anybody")
    assert (told.rows, told.answers, told.vectors, told.runs) == ({}, 0, 0, ())
    assert {place: place.read_bytes() for place, _ in Place(home / "runs").tree() if place.name != ".lock"} == before
    assert tombstones.lists("shop")[0].has("Never typed  by anybody")


@pytest.mark.parametrize(
    "query",
    ["'; DROP TABLE queries; --", "../../../etc/passwd", "{{ 7*7 }}", 'a"b\\nc', "(((((", "\\d+", "%s %n", "a" * 5000],
)
def test_hostile_text_is_only_text(remembered: Run, home: Path, query: str) -> None:
    assert forget(query).rows == {}
    assert {path.name for path in home.iterdir()} <= {"runs", "embeddings", "forgotten", "mlflow"}
    assert query not in "".join(path.read_text() for path in (home / "forgotten").glob("*.json"))


@pytest.mark.slow
def test_one_of_a_million_goes_and_the_others_do_not_move(
    home: Path, configuration: Callable[..., Configuration]
) -> None:
    run, texts = make_run(configuration()), [f"query {number}" for number in range(1_000_000)]
    kind = tables()["queries"].schema
    columns: dict[str, Any] = {"query_id": [f"{number:032x}" for number in range(len(texts))], "query": texts}
    columns |= {name: pa.repeat(pa.scalar(value, kind.field(name).type), len(texts)) for name, value in
                {"count": 1, "first_seen": NOW, "last_seen": NOW, "split": "train", "label": None}.items()}  # fmt: skip
    file = Path(run.table_folder("queries")) / "part-00001.parquet"
    pq.write_table(pa.table(columns, kind), file, row_group_size=100_000, compression="zstd")
    manifest = run.require("ingest")
    manifest["tables"]["queries"] = manifests.describe(run.table_folder("queries"))
    (run.folder / "ingest" / manifests.NAME).write_text(json.dumps(manifest))
    assert forget("Query  123456").rows == {"queries": 1}
    left = Path(run.table_folder("queries")) / file.name
    assert left != file
    assert pq.read_table(left)["query"].to_pylist() == [text for text in texts if text != "query 123456"]


def test_only_the_retriever_asked_for_is_touched(remembered: Run, configuration: Callable[..., Configuration]) -> None:
    other = make_run(configuration(retriever="books"))
    forget(QUERY, "books")
    assert QUERY in remembered.read("queries")["query"].to_pylist()
    assert QUERY not in other.read("queries")["query"].to_pylist()
    assert not tombstones.lists("shop")
    assert tombstones.lists("books")[0].has(QUERY)


@pytest.mark.parametrize("name", ["../shop", "s3://x", "", "a/b", "Shop", "x" * 80])
def test_a_name_that_is_no_retrievers_is_refused(home: Path, name: str) -> None:
    with pytest.raises(ArgumentError, match="must be a retriever's name"):
        forget(QUERY, name)


def test_earlier_attempts_that_have_it_are_removed(
    remembered: Run, home: Path, configuration: Callable[..., Any]
) -> None:
    make_run(configuration())
    assert len(list((home / "runs/shop" / remembered.interval.name / "ingest").glob("2*"))) == 2
    told = forget(QUERY)
    assert traces(home) == []
    assert told.attempts > 0


def test_a_run_whose_configuration_is_gone_is_cleaned_all_the_same(
    remembered: Run, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (remembered.folder / "configuration.json").remove()
    forget(QUERY)
    assert traces(home) == []
    assert "a journal outside of" in caplog.text


def test_a_run_of_before_attempts_had_folders_is_cleaned_too(remembered: Run, home: Path) -> None:
    for step in flow.STEPS:
        place = Path(remembered.folder / step.name)
        manifest = json.loads((place / manifests.NAME).read_text())
        attempt = place / manifest.pop("attempt")
        (attempt / manifests.NAME).write_text(json.dumps(manifest))
        for part in attempt.iterdir():
            part.rename(place / part.name)
        attempt.rmdir()
    forget(QUERY)
    assert traces(home) == []
    for step in flow.before("report"):
        remembered.require(step.name)


def test_a_run_that_is_being_worked_on_is_left_and_said(remembered: Run, home: Path) -> None:
    with remembered.lock(), pytest.raises(BusyError, match="worked on"):
        forget(QUERY)
    forget(QUERY)
    assert traces(home) == []


def test_versions_that_hold_it_are_named_and_not_changed(remembered: Run, registered: MlflowClient, home: Path) -> None:
    place = remembered.table_folder("training_set")
    digest = manifests.describe(place)
    told = forget(QUERY)
    assert [(held.name, held.aliases) for held in told.held] == [("shop@1", ("current",))]
    assert told.held[0].files == (str(place), "training_set", "manifests")
    assert manifests.describe(place) == digest, "what a registered version points at does not change under its readers"
    left = [Path(path) for path in traces(home)]
    assert all(Path(place) in path.parents or home / "mlflow" in path.parents for path in left)


def test_when_the_version_is_deleted_the_next_run_removes_its_set(
    remembered: Run, registered: MlflowClient, home: Path
) -> None:
    (run_id,) = (held.run_id for held in forget(QUERY).held)
    registered.delete_registered_model("shop-training-set")
    # Its artefacts are still served by its MLflow run, also out of MLflow's bin.
    for _ in range(2):
        (left,) = forget(QUERY).held
        assert (left.name, left.run_id, left.files) == ("shop, version deleted", run_id, ("training_set", "manifests"))
        registered.delete_run(run_id)
    assert traces(home / "runs") == []
    shutil.rmtree(home / "mlflow" / "artifacts")
    assert forget(QUERY).held == ()


def test_a_report_is_searched_for_the_query_within_it_also_when_only_the_whole_of_it_goes(
    remembered: Run, registered: MlflowClient, tmp_path: Path
) -> None:
    (run_id,) = (held.run_id for held in forget(QUERY, dry=True).held)
    registered.log_text(run_id, f"<p>asked: {QUERY} yesterday</p>", "report.html")
    (held,) = forget(QUERY, exact=True, dry=True).held
    assert "report.html" in held.files


def test_nothing_is_forgotten_while_nobody_knows_which_versions_there_are(
    remembered: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match="nothing was forgotten"):
        forget(QUERY)
    assert QUERY in remembered.read("queries")["query"].to_pylist()
    assert not (home / "forgotten").exists()


class Killed(BaseException):
    """What no code catches."""


@pytest.mark.slow
def test_killed_at_any_write_it_is_finished_by_the_next_run(
    remembered: Run, home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(home, tmp_path / "whole")
    calls, kill, end = {"left": 0}, 1, False
    for name in ("write", "remove", "create", "replace", "open_output"):
        monkeypatch.setattr(_Files, name, _counted(getattr(_Files, name), calls))
    while not end:
        shutil.rmtree(home)
        shutil.copytree(tmp_path / "whole", home)
        calls["left"] = kill
        try:
            forget(QUERY)
            end = True
        except Killed:
            calls["left"] = 10**9
            forget(QUERY)
        assert traces(home) == [], f"after a kill at write {kill}"
        for step in flow.before("report"):
            remembered.require(step.name)
        with Journal(remembered.journal) as journal:
            assert len(journal) == 1
        kill += STRIDE
    assert kill > 40, "it writes that often, so it was killed that often"


def _counted(original: Callable[..., Any], calls: dict[str, int]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        calls["left"] -= 1
        if calls["left"] == 0:
            raise Killed
        return original(*arguments, **named)

    return counted


def test_intervals_after_it_remember_nothing_of_it(
    remembered: Run, configuration: Callable[..., Configuration]
) -> None:
    later = Run(configuration(), Interval.parse("2026-03-01", "2026-03-02"))
    forget(QUERY)
    shown = [
        pq.read_table(Path(earlier.folder))["query_id"].to_pylist() for earlier in later.earlier("demonstrations", 7)
    ]
    assert shown == [[content_id("red shoes")]]


def test_an_old_report_goes_although_what_counts_has_nothing_of_the_query(
    remembered: Run, home: Path, tmp_path: Path
) -> None:
    """As when the log was cleaned and the interval refreshed before anybody thought of forgetting."""
    for step in ("ingest", "report"):
        shutil.copytree(remembered.step_folder(step), tmp_path / step / remembered.step_folder(step).name)
    forget(QUERY)
    for step in ("ingest", "report"):
        shutil.copytree(tmp_path / step, Path(remembered.folder / step), dirs_exist_ok=True)
    assert {Path(path).name for path in traces(home)} >= {"report.html"}
    forget(QUERY)
    assert traces(home) == []


def test_what_the_model_made_of_a_query_that_prompts_showed_redacted_goes(remembered: Run) -> None:
    async def add() -> None:
        with Journal(remembered.journal) as journal:
            for name, text in {"a": "ask jane roe 9 oak lane [PHONE]", "b": "red shoes [PHONE]"}.items():
                await journal.add(Entry(name, json.dumps({"queries": [text]}), "m", 1, 1, 0.1))

    asyncio.run(add())
    assert forget("jane roe 9 oak lane +1 415 555 2671").answers == 1
    # Of this one nothing is left that would tell it from others.
    assert forget("+1 415 555 2671 please").answers == 0


def test_a_run_that_waits_for_a_batch_at_the_provider_is_refused_before_anything_changes(
    remembered: Run, home: Path
) -> None:
    record = Record(remembered.folder / RECORD)
    record.intend("d", "s", {"key": Sent("write", 1, 1)})
    record.created("d", "batch_1")
    record.close()
    before = traces(home)
    with pytest.raises(BusyError, match="waits for 1 batches at the provider"):
        forget(QUERY)
    assert traces(home) == before and not (home / "forgotten").exists()
    forget(QUERY, dry=True)
    (remembered.folder / RECORD).remove()
    forget(QUERY)
    assert traces(home) == []


def test_what_another_process_let_count_meanwhile_is_not_undone(
    remembered: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that took the interval over from forgetting that was stopped for a minute."""
    won: list[dict[str, Any]] = []
    copy = rows.copy_without

    def overtaken(*given: Any) -> None:
        if not won:
            other = Attempt(remembered, flow.step("report"))
            other.begin()
            won.append(other.commit())
            assemble = Attempt(remembered, flow.step("assemble"))
            assemble.folder.make()
            assemble.write("training_set", remembered.read("training_set"))
            won.append(assemble.commit())
        copy(*given)

    monkeypatch.setattr(rows, "copy_without", overtaken)
    with pytest.raises(StaleError):
        forget(QUERY)
    assert remembered.manifest("assemble") == won[1]
