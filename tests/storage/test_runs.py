"""Runs in object storage: half a step is nothing, and of two writers one wins."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import BusyError, RunError, StorageError
from synalign.registry import lookup
from synalign.run import Attempt, Run
from synalign.steps.job import perform
from synalign.storage import Place, lease, objects
from synalign.storage.lock import Hold
from synalign.storage.taken import TakenError
from tests.run.made_steps import DOCUMENTS, INTERVAL, ingest, nothing, vectors

Make = Callable[..., Configuration]
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def store(bucket: Place, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, home: Path) -> Place:
    """Runs lie in a bucket; where a test asks for that, in a folder."""
    bucket = Place(home / "store") if getattr(request, "param", "objects") == "files" else bucket
    monkeypatch.setenv("SYNALIGN_STORE", str(bucket))
    for name, seconds in {"RENEWED_AFTER": 0.2, "LOST_AFTER": 5.0, "LOOKED_AFTER": 0.1}.items():
        monkeypatch.setattr(lease, name, seconds)
    return bucket


@pytest.fixture
def run(store: Place, configuration: Make) -> Run:
    return Run(configuration(), INTERVAL)


class Lost:
    """A hold on an interval that another process took over."""

    def check(self) -> None:
        raise TakenError("number two")

    def lost(self) -> bool:
        return True


def names(place: Place) -> set[str]:
    """Everything below a place, by its path from there; an attempt's own name is left out."""
    found = (str(file).removeprefix(f"{place}/").split("/") for file, _ in place.tree())
    return {"/".join("*" if part[:2] == "20" and "-" in part else part for part in parts) for parts in found}


def test_a_step_lies_where_the_design_says_and_is_reused(run: Run, store: Place, home: Path) -> None:
    assert perform(run, "ingest", ingest)["reused"] is False
    tables = ("documents", "queries", "pairs", "rejected", "skips")
    assert names(store) == {
        "runs/shop/*/.lock", "runs/shop/*/configuration.json", "runs/shop/*/ingest/manifest.json",
        "runs/shop/*/ingest/*/manifest.json", *(f"runs/shop/*/ingest/*/{table}/part-00000.parquet" for table in tables),
    }  # fmt: skip
    assert run.read("documents").equals(DOCUMENTS.cast(run.read("documents").schema))
    before = {file: file.tag() for file, _ in store.tree() if file.name != ".lock"}
    assert perform(run, "ingest", ingest)["reused"] is True
    assert {file: file.tag() for file, _ in store.tree() if file.name != ".lock"} == before
    # Nothing that machines share lies on this one.
    assert not (home / "runs").exists()
    assert Run.open(run.folder).require("ingest") == run.require("ingest")
    assert lookup.find("shop").folder == lookup.find(str(run.folder)).folder == run.folder


def test_the_same_bytes_have_the_same_digests_on_both_kinds(
    run: Run, configuration: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform(run, "ingest", ingest)
    there = run.digests(("documents", "queries", "pairs", "rejected", "skips"))
    monkeypatch.delenv("SYNALIGN_STORE")
    here = Run(configuration(), INTERVAL)
    perform(here, "ingest", ingest)
    assert here.digests(there) == there


def test_a_half_written_step_is_invisible_and_cleared_by_the_next(run: Run) -> None:
    perform(run, "ingest", ingest, {"log": "a"})
    digest = run.digest("documents")
    killed = Attempt(run, flow.step("ingest"), {"log": "b"})
    killed.begin()
    killed.write("documents", DOCUMENTS.slice(1))
    assert (run.digest("documents"), run.read("documents").num_rows) == (digest, 2)
    perform(run, "ingest", ingest, {"log": "c"})
    assert list(killed.folder.tree()) == []


def test_tables_without_the_last_manifest_do_not_count(run: Run) -> None:
    """Killed after everything but the last put: the attempt is whole, and nobody reads it."""
    attempt = Attempt(run, flow.step("ingest"))
    attempt.begin()
    ingest(attempt)

    class Killed:
        def check(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt.commit(Killed())
    attempt.abandon()
    assert (attempt.folder / "manifest.json").exists() and run.manifest("ingest") is None
    with pytest.raises(RunError, match="is not finished"):
        run.read("documents")
    assert perform(run, "ingest", ingest)["reused"] is False
    # It may be looked into until it is collected; what counts is another.
    assert attempt.folder.exists() and run.step_folder("ingest") != attempt.folder


def test_a_version_that_was_read_from_stays_readable_when_its_step_runs_again(run: Run) -> None:
    perform(run, "ingest", ingest, {"log": "a"})
    first = run.files("documents")
    perform(run, "ingest", ingest, {"log": "b"})
    assert run.files("documents") != first
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in run.files("documents")]


def test_objects_that_others_put_beside_a_table_do_not_count(run: Run) -> None:
    perform(run, "ingest", ingest)
    folder = run.table_folder("documents")
    for name in ("part-00001.parquet", "..parquet", "größe.parquet", "sub/part-00000.parquet"):
        (folder / name).write_bytes(b"not Parquet")
    assert run.read("documents").num_rows == 2
    perform(run, "carry", nothing)
    assert perform(run, "embed", vectors)["reused"] is False


def test_a_manifest_that_leads_elsewhere_is_refused(run: Run) -> None:
    perform(run, "ingest", ingest)
    place = run.folder / "ingest" / "manifest.json"
    content = json.loads(place.read_bytes())
    for attempt in ("../../../other", "/etc", "s3://other", "20260101T000000Z-0a1b2c3d/../x"):
        place.write_text(json.dumps({**content, "attempt": attempt}))
        with pytest.raises(RunError, match="names an attempt that is none"):
            run.read("documents")


def test_of_two_attempts_at_once_the_slower_takes_what_the_faster_made(run: Run) -> None:
    """As after a pause of minutes, in which another took the lease."""
    slow, fast = (Attempt(run, flow.step("ingest")) for _ in range(2))
    for attempt in (slow, fast):
        attempt.begin()
    ingest(slow)
    # The second one's `begin` cleared the first; its own tables are there.
    slow.begin()
    for attempt in (slow, fast):
        ingest(attempt)
    won = fast.commit()
    assert slow.commit()["attempt"] == won["attempt"] == run.require("ingest")["attempt"] == fast.folder.name


def test_of_two_attempts_that_differ_the_slower_is_told_so(run: Run) -> None:
    slow, fast = (Attempt(run, flow.step("ingest"), {"log": name}) for name in "ab")
    for attempt in (fast, slow):
        attempt.begin()
        ingest(attempt)
    # Each clears what the other had begun: only the one that is whole by then is left.
    ingest(fast)
    won = fast.commit()
    with pytest.raises(BusyError, match="finished or taken over by another process"):
        slow.commit()
    assert run.require("ingest")["attempt"] == won["attempt"]


def test_an_attempt_whose_lease_is_lost_does_not_count(run: Run) -> None:
    hold: Hold = Lost()
    attempt = Attempt(run, flow.step("ingest"))
    attempt.begin()
    ingest(attempt)
    with pytest.raises(BusyError):
        attempt.commit(hold)
    assert run.manifest("ingest") is None


@pytest.mark.slow
def test_one_that_was_taken_over_at_work_is_told_so_and_not_that_a_file_is_missing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RENEWED_AFTER", 3600.0)

    def stopped(attempt: Attempt) -> None:
        ingest(attempt)
        # A minute later, to the other one.
        perform(Run(run.configuration, INTERVAL), "ingest", ingest)

    with pytest.raises(BusyError, match="took over while this one was stopped"):
        perform(run, "ingest", stopped)
    assert run.read("documents").num_rows == 2


WORK = """
import sys, time
from synalign.config import Configuration
from synalign.errors import BusyError
from synalign.steps.job import perform
from synalign.run import Run
from synalign.storage import lease
from tests.run.made_steps import INTERVAL, ingest
lease.RENEWED_AFTER, lease.LOST_AFTER, lease.LOOKED_AFTER = 0.2, 20.0, 0.1

def work(attempt):
    ingest(attempt)
    print("written", flush=True)
    if len(sys.argv) > 2:
        time.sleep(60)

try:
    print(perform(Run(Configuration.model_validate_json(sys.argv[1]), INTERVAL), "ingest", work), flush=True)
except BusyError as error:
    print("busy", flush=True)
"""


@pytest.fixture
def worker(configuration: Make) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts processes that each do the step."""
    started = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        content = configuration().model_dump_json()
        command = [sys.executable, "-c", WORK, content, *arguments]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("store", ["files", "objects"], indirect=True)
def test_two_processes_at_once_make_one_step(run: Run, worker: Callable[..., subprocess.Popen[str]]) -> None:
    both = [worker(), worker()]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert sum("'reused': False" in output for output in outputs) == 1, outputs
    assert all("busy" in output or "'reused': True" in output or "'reused': False" in output for output in outputs)
    assert run.read("documents").num_rows == 2
    assert len((run.folder / "ingest").folders()) == 1


@pytest.mark.slow
def test_a_process_killed_at_work_frees_the_interval_and_leaves_nothing(
    run: Run, worker: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = worker("slow")
    assert killed.stdout and killed.stdout.readline() == "written\n"
    # A machine that is busy may not let it show for seconds that it lives.
    with monkeypatch.context() as patient, pytest.raises(BusyError, match=f"pid {killed.pid}"):
        patient.setattr(lease, "LOST_AFTER", 60.0)
        perform(run, "ingest", ingest)
    killed.kill()
    killed.wait()
    (left,) = (run.folder / "ingest").folders()
    assert perform(run, "ingest", ingest)["reused"] is False
    assert not left.exists() and len((run.folder / "ingest").folders()) == 1


@pytest.mark.parametrize("address", ["s3://nobody-made-this/x", "s3://synalign"])
def test_storage_that_is_not_there_ends_a_step_as_a_fault_of_storage(
    store: Place, configuration: Make, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("SYNALIGN_STORE", address)
    if address == "s3://synalign":
        # A whole bucket is a place as well; its keys are refused.
        monkeypatch.setattr(objects._Bucket, "create", _forbidden)
    with pytest.raises(StorageError):
        perform(Run(configuration(), INTERVAL), "ingest", ingest)


def _forbidden(*arguments: object) -> str:
    raise PermissionError("An error occurred (AccessDenied)")


def test_earlier_intervals_are_found(store: Place, configuration: Make) -> None:
    from synalign.run import Interval

    days = [Interval.parse(f"2026-02-0{day}", f"2026-02-0{day + 1}") for day in range(1, 4)]
    for day in days:
        perform(Run(configuration(), day), "ingest", ingest)
    found = Run(configuration(), days[2]).earlier("queries", 5)
    assert [table.interval for table in found] == [day.name for day in days[:2]]
    assert pa.table({"query": ["how"]}).equals(Run(configuration(), days[0]).read("queries", ["query"]).cast(
        pa.schema([("query", pa.string())])))  # fmt: skip


def test_one_that_lost_the_lease_before_it_began_leaves_the_next_ones_files_alone(run: Run) -> None:
    """Stopped for a minute after it had the lease; the next one is in the middle of its step."""

    late: Hold = Lost()
    next_one = Attempt(run, flow.step("ingest"))
    next_one.begin()
    ingest(next_one)
    with pytest.raises(TakenError):
        Attempt(run, flow.step("ingest")).begin(late)
    assert next_one.commit()["tables"]["documents"]["rows"] == 2


def test_what_appears_after_the_look_for_leftovers_is_nobodys_leftover(run: Run) -> None:
    begun: list[Attempt] = []

    class Stopped:
        def check(self) -> None:
            begun.append(Attempt(run, flow.step("ingest")))
            begun[0].begin()
            ingest(begun[0])

    hold: Hold = Stopped()
    Attempt(run, flow.step("ingest")).begin(hold)
    assert begun[0].commit()["tables"]["documents"]["rows"] == 2
