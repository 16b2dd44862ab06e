import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import BusyError, RunError
from synalign.run import Attempt, Interval, Run
from synalign.steps.job import perform
from tests.run.made_steps import INTERVAL, QUERIES, ingest, nothing, vectors

Make = Callable[..., Configuration]


def test_a_finished_step_is_reused_and_left_untouched(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    assert perform(run, "ingest", ingest)["reused"] is False
    pointer = Path(run.folder) / "ingest" / "manifest.json"
    before = pointer.stat().st_mtime_ns
    assert perform(run, "ingest", ingest)["reused"] is True
    assert pointer.stat().st_mtime_ns == before


def test_a_setting_that_defines_a_step_makes_it_run_again_and_others_do_not(configuration: Make) -> None:
    perform(Run(configuration(), INTERVAL), "ingest", ingest)
    for section, reused in (
        ({"runtime": {"concurrency": 3}}, True),
        ({"sampling": {"batches": 3}}, True),
        ({"ingest": {"max_query_characters": 99}}, False),
    ):
        assert perform(Run(configuration(**section), INTERVAL), "ingest", ingest)["reused"] is reused, section


def test_a_changed_outside_file_makes_the_step_run_again(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest, {"log": "a"})
    assert perform(run, "ingest", ingest, {"log": "a"})["reused"] is True
    assert perform(run, "ingest", ingest, {"log": "b"})["reused"] is False


def test_a_damaged_file_makes_the_step_run_again(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest)
    path = Path(run.table_folder("documents")) / "part-00000.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert perform(run, "ingest", ingest)["reused"] is False


def test_a_step_that_reran_to_the_same_bytes_does_not_disturb_the_steps_after_it(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest, {"log": "a"})
    perform(run, "carry", nothing)
    perform(run, "embed", vectors)
    perform(run, "ingest", ingest, {"log": "b"})
    perform(run, "carry", nothing)
    assert perform(run, "embed", vectors)["reused"] is True


def test_reading_an_unfinished_or_stale_step_says_what_to_run(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    with pytest.raises(RunError, match=r"(?s)is not finished.*run step 'ingest'"):
        run.read("queries")
    perform(run, "ingest", ingest)
    changed = Run(configuration(ingest={"max_query_characters": 9}), INTERVAL)
    with pytest.raises(RunError, match="made with other settings"):
        changed.read("queries")


def test_a_step_made_from_tables_that_changed_since_is_refused(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest, {"log": "a"})
    perform(run, "carry", nothing)
    perform(run, "embed", vectors)

    def other(attempt: Attempt) -> None:
        ingest(attempt)
        attempt.write("queries", QUERIES.set_column(1, "query", pa.array(["why"])))

    perform(run, "ingest", other, {"log": "b"})
    with pytest.raises(RunError, match="made from another 'queries'"):
        run.read("query_embeddings")


def _hold(run: Run, ready: "multiprocessing.synchronize.Event") -> None:
    with run.lock():
        ready.set()
        multiprocessing.Event().wait()


def test_two_processes_cannot_work_on_one_interval_and_a_killed_one_frees_it(configuration: Make) -> None:
    run = Run(configuration(), INTERVAL)
    ready = multiprocessing.Event()
    other = multiprocessing.Process(target=_hold, args=(run, ready))
    other.start()
    assert ready.wait(20)
    with pytest.raises(BusyError, match=f"pid {other.pid}"):
        perform(run, "ingest", ingest)
    other.kill()
    other.join()
    assert perform(run, "ingest", ingest)["reused"] is False


def test_earlier_tables_come_oldest_first_and_never_from_the_same_or_a_later_interval(configuration: Make) -> None:
    days = [Interval.parse(f"2026-02-0{day}", f"2026-02-0{day + 1}") for day in range(1, 6)]
    for day in days:
        perform(Run(configuration(), day), "ingest", ingest)
    run = Run(configuration(), days[3])
    found = run.earlier("queries", 2)
    assert [table.interval for table in found] == [days[1].name, days[2].name]
    assert [(table.folder, table.digest) for table in found] == [
        (each.table_folder("queries"), each.digest("queries"))
        for each in (Run(configuration(), day) for day in days[1:3])
    ]
    assert run.earlier("queries", 0) == []


def test_the_fingerprint_covers_settings_and_interval_only(configuration: Make) -> None:
    first = Run(configuration(), INTERVAL)
    assert first.fingerprint("embed") == Run(configuration(owner="x", runtime={"attempts": 2}), INTERVAL).fingerprint(
        "embed"
    )
    assert first.fingerprint("embed") != Run(configuration(encoder={"max_tokens": 9}), INTERVAL).fingerprint("embed")
    assert flow.step("embed").settings == ("encoder",)


def test_the_run_folder_is_where_the_design_says(configuration: Make, home: Path) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest)
    (part,) = (home / "runs/shop/20260228T000000Z-20260301T000000Z/ingest").glob("*/queries/part-00000.parquet")
    assert part.parent == run.table_folder("queries").local
    assert (part.parent.parent / "manifest.json").read_bytes() == (part.parents[2] / "manifest.json").read_bytes()


def test_a_run_is_opened_from_its_folder_alone(configuration: Make, tmp_path: Path) -> None:
    made = configuration(generation={"prompts": {"write": "own.txt"}}).with_templates({"write": "the text"})
    run = Run(made, INTERVAL)
    perform(run, "ingest", ingest)
    opened = Run.open(run.folder)
    assert opened.configuration == made and dict(opened.configuration.templates) == {"write": "the text"}
    assert (opened.interval, opened.folder) == (INTERVAL, run.folder)
    assert opened.require("ingest") == run.require("ingest")
    elsewhere = tmp_path / "copied" / INTERVAL.name
    shutil.copytree(run.folder, elsewhere)
    assert Run.open(elsewhere).read("queries").num_rows == 1


def test_the_configuration_that_is_kept_is_the_last_one_worked_with(configuration: Make) -> None:
    perform(Run(configuration(), INTERVAL), "ingest", ingest)
    other = Run(configuration(ingest={"max_query_characters": 99}), INTERVAL)
    perform(other, "ingest", ingest)
    assert Run.open(other.folder).configuration.ingest.max_query_characters == 99
    assert other.folder.files(".configuration*") == []


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"configuration": {"retriever": "x"}, "templates": {}}'])
def test_a_configuration_that_cannot_be_read_is_named(configuration: Make, content: str) -> None:
    run = Run(configuration(), INTERVAL)
    perform(run, "ingest", ingest)
    (run.folder / "configuration.json").write_text(content)
    with pytest.raises(RunError, match=r"configuration\.json cannot be read"):
        Run.open(run.folder)


def test_a_folder_that_is_no_runs_is_an_error(configuration: Make, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"configuration\.json is not there"):
        Run.open(tmp_path)
    run = Run(configuration(), INTERVAL)
    run.keep_configuration()
    renamed = Path(run.folder).rename(Path(run.folder).with_name("yesterday"))
    with pytest.raises(RunError, match="'yesterday', must be named after its interval"):
        Run.open(renamed)
