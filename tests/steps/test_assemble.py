"""The weight rule, in real Spark."""

from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.errors import InputError
from synalign.run import Attempt, Interval, Run
from synalign.steps.assemble import assemble
from synalign.steps.job import perform
from synalign.tables import content_id, schema, training_set
from tests.formerly import as_formerly, without_masses
from tests.handmade import table_of

Make = Callable[..., Configuration]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
pytestmark = pytest.mark.usefixtures("spark")
WEIGHTS = {"equal": [0.5, 0.5], "equal_mass": [0.1, 0.9], "aligned": [0.25, 0.75]}


def finished(
    run: Run, splits: list[str], scheme: str = "aligned", mass: float = 2.0, scores: pa.Table | None = None
) -> Run:
    """A run whose steps before *assemble* stand there with the few rows that matter."""
    count = len(splits)
    rows = {
        "documents": pa.table({"document_id": ["d1", "d2"], "title": ["T", ""], "text": ["one", "two"]}),
        "pairs": pa.table({
            "pair_id": [content_id(f"q{row}", "d1") for row in range(count)],
            "query_id": [f"i{row}" for row in range(count)],
            "query": [f"q{row}" for row in range(count)], "document_id": ["d1"] * count, "count": [9] * count,
            "split": splits,
        }),
        "candidates": pa.table({"candidate_id": ["c1", "c2"], "batch_id": ["b1", "b2"], "query": ["new one", "new two"],
                                "document_id": ["d1", "d2"], "request_id": ["r", "r"]}),
        "weights": pa.table({"candidate_id": ["c1", "c2"] * 3, "scheme": [name for name in WEIGHTS for _ in range(2)],
                             "weight": [weight for pair in WEIGHTS.values() for weight in pair]}),
        "choice": pa.table({
            "scheme": [scheme], "mass": [mass], "validated": [True], "reason": ["validation queries liked it"],
        }),
    }  # fmt: skip
    if scores is not None:
        rows["scores"] = scores
    for step in flow.before("assemble"):
        attempt = Attempt(run, step)
        attempt.begin()
        for table in step.writes:
            attempt.write(table, table_of(run, table, rows))
        attempt.commit()
    return run


@pytest.mark.parametrize(("scheme", "mass", "expected"), [("aligned", 2.0, (1.5, 4.5)), ("equal", 1.0, (1.5, 1.5))])
def test_synthetic_rows_share_mass_times_the_real_train_total(
    configuration: Make, scheme: str, mass: float, expected: tuple[float, float]
) -> None:
    # The configuration has another scheme and another mass: what was chosen holds.
    settings = configuration(alignment={"scheme": "equal_mass", "mass": 7.0})
    run = finished(Run(settings, INTERVAL), ["train", "train", "train", "test", "validation"], scheme, mass)
    metrics = perform(run, "assemble", assemble)["metrics"]
    assert (metrics["scheme"], metrics["mass"]) == (scheme, mass)
    rows = {row["query"]: row for row in run.read("training_set").to_pylist()}
    assert len(rows) == 7
    assert (rows["new one"]["weight"], rows["new two"]["weight"]) == expected
    assert {row["weight"] for row in rows.values() if row["source"] == "real"} == {1.0}
    assert metrics["synthetic_train_weight"] == pytest.approx(mass * metrics["real_train_weight"])
    assert rows["new one"] | {"weight": None} == {
        "pair_id": content_id("new one", "d1"), "query": "new one", "document_id": "d1", "document": "T\none",
        "source": "synthetic", "weight": None, "split": "train", "batch_id": "b1", "request_id": "r",
        "interval": INTERVAL.name, "score": None,
        **{f"negative_{number}": None for number in range(1, 5)},
        **{f"negative_score_{number}": None for number in range(1, 5)},
    }  # fmt: skip
    assert rows["new two"]["document"] == "two"
    assert rows["q3"]["split"] == "test"
    assert run.read("training_set").schema.equals(training_set(4))


def scored(rows: list[tuple[str, int, str, float | None, str | None]]) -> pa.Table:
    names = ("pair_id", "rank", "document_id", "score", "objection")
    return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in rows], schema("scores"))


def test_negatives_stand_beside_their_pair_without_gaps_and_with_their_scores(configuration: Make) -> None:
    real, written = content_id("q0", "d1"), content_id("new one", "d1")
    scores = scored([
        (real, 0, "d1", 0.9, None), (real, 1, "d2", 0.89, "false_negative"), (real, 2, "d2", 0.5, None),
        (written, 0, "d1", 0.8, None), (written, 1, "d2", 0.3, None),
    ])  # fmt: skip
    run = Run(configuration(negatives={"per_pair": 2}), INTERVAL)
    finished(run, ["train", "test"], scores=scores)
    perform(run, "assemble", assemble)
    rows = {row["query"]: row for row in run.read("training_set").to_pylist()}
    assert run.read("training_set").schema.equals(training_set(2))
    taught = ("score", "negative_1", "negative_2", "negative_score_1", "negative_score_2")
    assert [rows["q0"][name] for name in taught] == [0.9, "two", None, 0.5, None]
    assert [rows["new one"][name] for name in taught] == [0.8, "two", None, 0.3, None]
    # Nobody mined for these.
    assert [rows[query][name] for query in ("q1", "new two") for name in taught] == [None] * 10


def test_a_written_pair_that_its_teacher_takes_out_leaves_its_weight_to_the_others(configuration: Make) -> None:
    real, written = content_id("q0", "d1"), content_id("new one", "d1")
    scores = scored([(real, 0, "d1", 0.1, "loses"), (written, 0, "d1", 0.1, "loses")])
    run = finished(Run(configuration(), INTERVAL), ["train", "train", "test"], scores=scores)
    metrics = perform(run, "assemble", assemble)["metrics"]
    rows = {row["query"]: row for row in run.read("training_set").to_pylist()}
    # A real pair stays: somebody did choose its document.
    assert set(rows) == {"q0", "q1", "q2", "new two"}
    assert rows["new two"]["weight"] == pytest.approx(2.0 * 2)
    assert metrics["synthetic_train_weight"] == pytest.approx(2.0 * metrics["real_train_weight"])


def test_a_set_without_negatives_has_no_columns_for_them(configuration: Make) -> None:
    run = finished(Run(configuration(negatives={"per_pair": 0}), INTERVAL), ["train", "test"])
    perform(run, "assemble", assemble)
    assert run.read("training_set").schema.equals(schema("training_set"))


def test_weights_and_a_choice_of_an_earlier_version_give_the_same_set(configuration: Make) -> None:
    sets = []
    for day in range(2):
        run = Run(configuration(retriever=f"shop{day}"), INTERVAL)
        finished(run, ["train", "test"], "equal")
        if day:
            as_formerly(run)
            assert set(pq.read_table(str(run.files("weights")[0].local))["scheme"].to_pylist()) > {"filtered"}
        perform(run, "assemble", assemble)
        sets.append(run.digest("training_set"))
    assert sets[0] == sets[1]


def test_a_choice_of_real_pairs_alone_gives_no_synthetic_row(configuration: Make) -> None:
    run = finished(Run(configuration(), INTERVAL), ["train", "train", "test"], "none", 0.0)
    metrics = perform(run, "assemble", assemble)["metrics"]
    rows = run.read("training_set").to_pylist()
    assert sorted(row["query"] for row in rows) == ["q0", "q1", "q2"]
    assert {(row["source"], row["weight"]) for row in rows} == {("real", 1.0)}
    assert (metrics["scheme"], metrics["mass"]) == ("none", 0.0)
    assert "synthetic_train_rows" not in metrics


def test_a_choice_of_before_masses_has_the_mass_of_the_configuration(configuration: Make) -> None:
    run = finished(Run(configuration(alignment={"mass": 3.0}), INTERVAL), ["train", "train", "test"], "equal", 0.5)
    without_masses(run)
    metrics = perform(run, "assemble", assemble)["metrics"]
    assert metrics["synthetic_train_weight"] == pytest.approx(3.0 * 2)
    assert metrics["mass"] == 3.0


def test_without_a_real_train_pair_there_is_nothing_to_scale_by(configuration: Make) -> None:
    run = finished(Run(configuration(), INTERVAL), ["test"])
    with pytest.raises(InputError, match="no real pair is in the split train"):
        perform(run, "assemble", assemble)
