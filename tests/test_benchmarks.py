"""Every benchmark runs, in its form of seconds: its exit code and the shape of its lines are held, never its times."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sklearn.metrics import accuracy_score, f1_score

from synalign.evaluation.arms import ARMS, SCHEMES
from synalign.steps import ingest
from synalign.steps.job import perform
from tests.benchmarks import (
    alignment,
    classification,
    core,
    effectiveness,
    embedding,
    experiments,
    figures,
    generation,
    lake,
    mining,
    nights,
    nights_report,
    nights_steps,
    nights_tables,
    pool_costs,
    processes,
    sampling,
    scale,
    step_costs,
    writers,
)
from tests.benchmarks.made_data import make_data
from tests.benchmarks.measurement import COLUMNS, Measurement, Skipped, show

FOLDER = Path(__file__).parent / "benchmarks"
ROOT = FOLDER.parent.parent

UNITS = {"s", "GB", "mean distance", "of 77", "excess", "documents", "squared MMD", "mean cosine", "items / CPU s",
         "texts embedded", "CPU s", "MB"}  # fmt: skip
GOAL = re.compile(r"(<=|>=|>|mean >=|embedded ==) ?[\w.]+")

CORE = {
    "variance sampling", "variance sampling, memory", "coverage sampling", "coverage on landmarks",
    "weights", "weights, at any time", "weights, features", "weights, features and a sample",
    "weights, large", "weights, huge",
    "coverage of real traffic", "intents found", "warm start", "document effective sample size",
    "held-out squared MMD", "embedding accuracy, float32", "embedding accuracy, bfloat16",
    "embedding, Spark, cold cache", "embedding, second day with cache",
}  # fmt: skip
STEPS = {
    "assemble", "embed, a query of 6 words", "embed, a document of 100 words", "sample, beyond 20,000 queries",
    "screen, cosines", "screen, copied words", "align, kernels to real rows", "align, solving",
    "evaluate, training the adapter", "evaluate, ranking",
}  # fmt: skip


def lines_of(file: Path) -> list[Measurement]:
    """Read the lines that a benchmark has written, each of which must be whole."""
    lines = [Measurement(**content) for content in json.loads(file.read_text())]
    for line in lines:
        assert line.task and line.size and line.rival_name
        assert line.unit in UNITS
        assert GOAL.match(line.goal)
        assert math.isfinite(line.ours) and math.isfinite(line.rival) and math.isfinite(line.ratio)
    return lines


def test_sampling_alignment_coverage_and_embedding(spark: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    core.main(["--smoke", "--output", str(home / "core.json")])
    tasks = {line.task for line in lines_of(home / "core.json")}
    assert tasks >= CORE
    assert [task for task in tasks - CORE if not task.startswith("embedding, lean loop, ")] == []
    printed = capsys.readouterr().out
    assert [column for column in COLUMNS if column not in printed] == []
    for name in ("PIQP", "quadprog", "OSQP", "Clarabel"):
        assert name in printed, "measured, or skipped with a reason"


@pytest.mark.slow
def test_the_request_engine(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    generation.main(["--smoke", "--output", str(home / "generation.json")])
    lines = [generation.Line(**content) for content in json.loads((home / "generation.json").read_text())]
    assert [line.engine for line in lines] == ["ours", "naive", "ours, killed", "naive, killed"]
    for line in lines:
        assert line.lost == 0 or line.engine.startswith("naive")
    # How many answers are on their way at a kill is a matter of the machine: their number is a figure, no promise.
    for line in lines[2:]:
        assert line.paid_twice is not None and 0 <= line.paid_twice <= generation.REQUESTS["smoke"]
        assert line.in_flight is not None and 0 <= line.in_flight <= generation.REQUESTS["smoke"]
    printed = capsys.readouterr().out
    assert "share of R" in printed and "10 s sliding window" in printed


def test_a_log_in_bounded_memory_and_what_each_step_costs(spark: Any, home: Path) -> None:
    scale.main(["--smoke", "--output", str(home / "scale.json")])
    screens, targets, line = lines_of(home / "scale.json")
    assert (line.task, line.unit) == ("ingest", "CPU s")
    assert "as made" in line.accuracy
    assert (screens.task, screens.accuracy, targets.task) == ("screen", "40/40 as exact cosines", "targets")
    costs = [step_costs.Cost(**content) for content in json.loads((home / "step_costs.json").read_text())]
    assert {cost.step for cost in costs} == STEPS
    for cost in costs:
        assert cost.unit
        assert cost.sizes[0] < cost.sizes[1]
        assert min(cost.seconds) >= 0.0


def test_of_a_partitioned_table_the_window_is_read(spark: Any, home: Path) -> None:
    lake.main(["--smoke", "--output", str(home / "lake.json")])
    *ingests, read = lines_of(home / "lake.json")
    assert [line.rival_name for line in ingests] == ["plain Spark, the same partitions", "the folder of files"]
    assert all("as those of the files" in line.accuracy for line in ingests)
    assert (read.task, read.met) == ("bytes of files", True)


@pytest.mark.slow
def test_what_a_pool_costs_a_night(capsys: pytest.CaptureFixture[str]) -> None:
    pool_costs.main(["--smoke"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["carry", "sample", "screen", "align", "evaluate"]
    for line in lines:
        assert re.fullmatch(r"\w+ +\d+\.\d s +\d+\.\d CPU s +\d+\.\d\d GB", line)


@pytest.mark.slow
def test_online_tests_by_simulation(capsys: pytest.CaptureFixture[str]) -> None:
    assert experiments.main(["--smoke"]) == 0
    printed = capsys.readouterr().out
    for title in ("settings judged", "settings held out", "Power of", "Not promised", "Rules compared", "Sample ratio"):
        assert title in printed
    rates = re.findall(r"^\S.* +(\d+)% +([\d,]+) +([\d.]+)% +([\d.]+)% +([\d.]+)%$", printed, re.MULTILINE)
    assert len(rates) == 2, printed
    assert len(re.findall(r"^ +\d+% +\d+% +[\d,]+( +[\d.]+%){3}$", printed, re.MULTILINE)) == 18, printed


@pytest.mark.slow
def test_weightings_on_a_retriever(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = home / "effectiveness.jsonl"
    effectiveness.main(["--smoke", "--output", str(kept)])
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    alone = {f"{arm}, pairs only" for arm in ("control", *SCHEMES)}
    assert {row["arm"] for row in rows} == {"untrained", "control", "unweighted", *SCHEMES, "random_subset", *alone}
    assert all(0.0 <= score <= 1.0 for row in rows for score in row["test"])
    printed = capsys.readouterr().out
    assert "not finished" not in printed
    for column in ("cell", "arm", "nDCG@10", "validation", "goal", "found"):
        assert column in printed


@pytest.mark.slow
def test_nights(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = home / "nights.jsonl"
    nights.main(["--smoke", "--output", str(kept)])
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    figures = {(row["way"], row["night"]): row for row in rows if row["kind"] == "night"}
    assert set(figures) == {
        *((way, night) for way in ("carried", "carried, unexplored", "nothing carried") for night in (1, 2)),
        ("one night", 1),
    }
    assert figures["carried", 2]["carried"] > 0 == figures["nothing carried", 2]["carried"]
    assert figures["one night", 1]["batches"] == figures["carried", 1]["batches"] + figures["carried", 2]["batches"]
    trainings = [row for row in rows if row["kind"] == "training"]
    assert {(row["way"], row["night"]) for row in trainings} == {*figures, ("real pairs alone", 0)}
    assert all(0.0 <= score <= 1.0 for row in trainings for score in row["test"])
    days = [row for row in rows if row["kind"] == "day"]
    assert [row["day"] for row in days] == ["2020-01-23", "2020-01-24"]
    assert all(0.0 <= distance <= 2.0 for row in days for found in row["mmd2"].values() for distance in found.values())
    printed = capsys.readouterr().out
    for words in ("aligned MMD² <= 0.6 times", "never weighed again", "from it on"):
        assert words in printed
    # What is done is not done again, but for a line that a kill has torn.
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]) + json.dumps(rows[-1])[:-9] + "\n")
    nights.main(["--smoke", "--output", str(kept)])
    assert kept.read_text().splitlines()[-1] == json.dumps(rows[-1])
    assert len(kept.read_text().splitlines()) == len(rows) + 1


def test_writers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The writer that is no model, asked as before and as today; a model takes minutes."""
    kept = home / "writers.jsonl"
    writers.main(["--smoke", "--output", str(kept)])
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    figures = {row["way"]: row for row in rows if row["kind"] == "writer"}
    assert figures.keys() == {"embedded: before", "embedded: family"}
    for row in figures.values():
        assert row["asked_for"] == 12 and 0 < row["accepted"] <= row["candidates"] <= 12
        assert 0.0 <= row["form_distance"] <= 1.0 and 0.0 < row["round_trip"] <= 1.0 and row["tokens"] > 1000
    trainings = [(row["way"], row["labelled"]) for row in rows if row["kind"] == "training"]
    assert trainings == [(way, arm) for way in figures for arm in writers.ARMS]
    assert "over 8 real pairs alone" in capsys.readouterr().out
    writers.main(["--smoke", "--output", str(kept)])
    assert len(kept.read_text().splitlines()) == len(rows)


def test_classification(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = home / "classification.jsonl"
    classification.main(["--smoke", "--output", str(kept)])
    (row,) = [json.loads(line) for line in kept.read_text().splitlines()]
    assert (row["real"], row["validation"]) == (12, 6) and row["candidates"] > 0
    test = row["test"]
    accuracy, f1 = classification.scored([row])
    for arm in (*ARMS, classification.CHOSEN):
        true = [labels[0] for labels in test["relevant"]]
        assert accuracy.mean(arm).value == pytest.approx(accuracy_score(true, test[arm]))
        expected = f1_score(true, test[arm], labels=sorted(set(true)), average="macro", zero_division=0.0)
        assert f1.values[arm] == pytest.approx(expected)
    printed = capsys.readouterr().out
    for column in ("accuracy", "macro-F1", "minus control", "random_subset", "chosen on 6 validation texts"):
        assert column in printed
    classification.main(["--smoke", "--output", str(kept)])
    assert len(kept.read_text().splitlines()) == 1


def test_few_real_texts_are_drawn_and_the_test_texts_stay(tmp_path: Path) -> None:
    make_data(tmp_path)
    first, second = (classification.texts(tmp_path / "banking77", 2, seed).events for seed in (0, 1))
    for events in (first, second):
        assert not events.duplicated(["query", "document_id"]).any()
        chosen = events[events["split"] != "test"]
        assert chosen.groupby(["split", "document_id"]).size().max() == 2
    tests = [set(events[events["split"] == "test"]["query"]) for events in (first, second)]
    assert tests[0] == tests[1]
    assert set(first["query"]) != set(second["query"])


def test_goals_of_nights_are_met_or_missed(capsys: pytest.CaptureFixture[str]) -> None:
    def night(way: str, number: int, mmd2: float, ess: float, documents: int) -> dict[str, Any]:
        figures = {"tokens": 100, "candidates": 900, "mmd2": [0.003, mmd2], "ess": ess, "documents": documents}
        return {"kind": "night", "collection": "clapnq", "way": way, "night": number, **figures}

    def training(way: str, number: int, score: float) -> dict[str, Any]:
        cell = {"collection": "clapnq", "way": way, "night": number, "labelled": 100, "seed": 0}
        return {"kind": "training", **cell, "test": [score] * 30}

    nights_report.print_report(
        [
            night("carried", 1, 0.002, 500.0, 300), night("carried", 2, 0.0011, 2100.0, 800),
            night("nothing carried", 2, 0.002, 500.0, 300), night("one night", 1, 0.001, 2200.0, 900),
            training("real pairs alone", 0, 0.5), training("carried", 1, 0.49), training("carried", 2, 0.52),
            training("one night", 1, 0.6),
        ]
    )  # fmt: skip
    printed = capsys.readouterr().out
    found = re.findall(
        r"│ (aligned|effective|documents|100 real|not worse|carried, night) .*│ (met|MISSED) +│", printed
    )
    assert found == [
        ("aligned", "met"), ("effective", "met"), ("documents", "MISSED"), ("100 real", "met"),
        ("not worse", "MISSED"), ("not worse", "met"), ("carried, night", "MISSED"),
    ]  # fmt: skip


def test_tables_of_nights_are_those_of_the_step(spark: Any, home: Path) -> None:
    make_data(home / "data")
    run = nights_steps.run_of(
        home, "clapnq", {"kind": "beir", "path": str(home / "data" / "clapnq")}, nights_steps.Way("a", {}),
        nights.FIRST, 1,
    )  # fmt: skip
    tables = ("queries", "documents", "pairs", "rejected")
    perform(run, "ingest", ingest.ingest, ingest.outside(run))
    found = [run.read(table) for table in tables]
    traffic = nights_tables.beir(home / "data" / "clapnq", nights.FIRST)
    perform(run, "ingest", partial(nights_tables.ingest, traffic=traffic), {"traffic": traffic.digest})
    assert run.require("ingest")["outside"] == {"traffic": traffic.digest}
    for table, rows in zip(tables, found, strict=True):
        assert run.read(table).equals(rows), table


@pytest.mark.usefixtures("spark")
def test_mining(home: Path) -> None:
    mining.main(["--smoke", "--output", str(home / "mining.json")])
    (line,) = json.loads((home / "mining.json").read_text())
    assert line["accuracy"] == "30/30 as by sorting"


@pytest.mark.slow
def test_figures_of_the_pages(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures.main(["--smoke", "--output", str(home / "figures")])
    drawn = {path.name: path.read_text() for path in (home / "figures").iterdir()}
    assert set(drawn) == {path.name for path in (FOLDER / "figures").iterdir()}
    for picture in drawn.values():
        assert picture.startswith("<?xml") and "</svg>" in picture


@pytest.mark.parametrize(
    ("main", "named"),
    [
        (module.main, module.__name__)
        for module in (classification, core, embedding, effectiveness, figures, nights, writers)
    ],
)
def test_smoke_and_quick_are_not_asked_for_together(main: Callable[..., Any], named: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--smoke", "--quick"])
    assert ended.value.code == 2


def test_every_benchmark_has_a_form_of_seconds() -> None:
    modules = (
        alignment, classification, core, effectiveness, embedding, experiments, figures, generation, lake, mining,
        nights, pool_costs, sampling, scale, step_costs, writers,
    )  # fmt: skip
    run = {module.__name__.rpartition(".")[2] for module in modules}
    # Parts that a benchmark starts as processes of its own.
    parts = {"generation_client", "lake_ingest", "limited_server", "mining_step", "scale_assemble", "scale_ingest",
             "scale_screen"}  # fmt: skip
    commands = {path.stem for path in FOLDER.glob("*.py") if "__main__" in path.read_text()}
    assert commands == run | parts
    made = re.findall(r"-m tests\.benchmarks\.(\w+)", (ROOT / "Makefile").read_text())
    assert set(made) <= run
    for name in run:
        assert "add_size(" in (FOLDER / f"{name}.py").read_text()


def test_modules_named_in_strings_exist() -> None:
    for path in FOLDER.glob("*.py"):
        for module in re.findall(r'"((?:tests|synalign)(?:\.\w+)+)"', path.read_text()):
            assert (ROOT / (module.replace(".", "/") + ".py")).exists(), f"{path.name}: {module}"


def test_a_child_that_fails_shows_its_error_and_ends_the_benchmark() -> None:
    with pytest.raises(SystemExit, match=r"generation_client nobody ended with 1:\n(.|\n)*not enough values") as ended:
        processes.in_own_process("tests.benchmarks.generation_client", "nobody")
    # What is no number is printed to standard error, with exit code 1.
    assert isinstance(ended.value.code, str)
    with (
        processes.child("tests.benchmarks.generation_client", "nobody") as child,
        pytest.raises(SystemExit, match="not enough values"),
    ):
        child.line()


def test_a_rival_that_is_not_installed_is_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert show([Skipped("weights", "PIQP", "not installed")], tmp_path / "lines.json") == []
    assert "weights | PIQP | skipped: not installed" in capsys.readouterr().out


def test_children_are_killed_with_the_block() -> None:
    with processes.child("tests.benchmarks.limited_server", "--form", "window") as child:
        child.line()
        pid = child.process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
