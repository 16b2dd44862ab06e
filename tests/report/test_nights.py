"""Earlier intervals, read from manifests: which count, which are a gap, and what damaged ones do."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.evaluation.measured import CLASSIFICATION, RETRIEVAL
from synalign.report.nights import LOOKED_AT, MOST, figures, nights
from synalign.run import Interval
from tests.report.history import STEPS, interval, keep, material, written

Make = Callable[..., Configuration]
WHOLE = {
    "tokens": 1800, "new": 90, "carried": 10, "documents": 12, "mmd2_equal": 0.02, "mmd2_aligned": 0.01,
    "effective": 50, "control": 0.5, "treatment": 0.54, "gate": pytest.approx(0.49),
}  # fmt: skip
UNTIL_SCREEN = STEPS[: STEPS.index("screen") + 1]


def test_intervals_come_oldest_first_and_this_one_last(configuration: Make) -> None:
    own = material(configuration(), changed={"generate": {"tokens": 7}})
    for before in (3, 1, 2):
        keep(own.run, before, written(before))
    found = nights(own)
    assert [night.label for night in found] == ["2026-02-26", "2026-02-27", "2026-02-28", "2026-03-01"]
    assert [night.figures["tokens"] for night in found] == [1800, 1800, 1800, 7]
    assert found[0].figures == WHOLE
    assert not any(night.unfinished for night in found)


def test_only_intervals_that_ended_before_this_one_began_are_shown(configuration: Make) -> None:
    own = material(configuration())
    for before in (-1, 0, 1):
        keep(own.run, before, written(before))
    wide = Interval(interval(2).start, interval(0).end)
    keep(own.run, 1, written(1))
    (own.run.folder.parent / wide.name / "register" / "manifest.json").write_text("{}")
    assert [night.name for night in nights(own)] == [interval(1).name, interval(0).name]


def test_a_night_that_failed_between_others_keeps_what_it_measured(configuration: Make) -> None:
    own = material(configuration())
    keep(own.run, 2, written(2))
    keep(own.run, 1, written(1, steps=UNTIL_SCREEN))
    failed = nights(own)[1]
    assert failed.unfinished == "align"
    assert (failed.figures["tokens"], failed.figures["new"]) == (1800, 90)
    assert {failed.figures[name] for name in ("documents", "mmd2_equal", "control", "gate")} == {None}


def test_what_failed_before_the_first_that_finished_is_not_shown(configuration: Make) -> None:
    own = material(configuration(), steps=UNTIL_SCREEN)
    for before in (3, 4):
        keep(own.run, before, written(before, steps=UNTIL_SCREEN))
    assert [night.name for night in nights(own)] == [interval(0).name]
    keep(own.run, 5, written(5))
    found = nights(own)
    assert [night.unfinished for night in found] == ["", "align", "align", "align"]


def test_a_step_whose_input_was_made_again_does_not_count_nor_does_what_follows(configuration: Make) -> None:
    own = material(configuration())
    keep(own.run, 2, written(2))
    mixed = written(1)
    mixed["generate"]["tables"]["candidates"]["digest"] = "another"
    keep(own.run, 1, mixed)
    found = nights(own)[1]
    assert found.unfinished == "screen"
    assert found.figures["tokens"] == 1800
    assert found.figures["new"] is None and found.figures["control"] is None


def test_an_interval_from_before_the_pool_is_finished_and_carried_nothing(configuration: Make) -> None:
    own = material(configuration())
    old = written(1, steps=[step for step in STEPS if step != "carry"])
    for manifest in old.values():
        manifest["inputs"] = {name: digest for name, digest in manifest["inputs"].items() if "carried" not in name}
        manifest["inputs"].pop("pool", None)
        manifest["tables"].pop("pool", None)
    del old["screen"]["metrics"]["carried"]
    keep(own.run, 1, old)
    found = nights(own)[0]
    assert (found.unfinished, found.figures["carried"], found.figures["control"]) == ("", 0, 0.5)


def test_no_more_than_so_many_are_shown_and_looked_at(configuration: Make) -> None:
    own = material(configuration())
    for before in range(1, MOST + 5):
        keep(own.run, before, written(before))
    found = nights(own)
    assert len(found) == MOST + 1
    assert found[0].name == interval(MOST).name
    beyond = material(configuration(retriever="other"))
    for before in range(1, LOOKED_AT + 1):
        keep(beyond.run, before, written(before, steps=["carry"]))
    keep(beyond.run, LOOKED_AT + 1, written(LOOKED_AT + 1))
    assert len(nights(beyond)) == 1


@pytest.mark.parametrize("damaged", ["{", "[1]", "null", '{"format": 1}', '{"format": 1, "inputs": 3}', ""])
def test_a_damaged_manifest_is_a_gap_and_not_the_end_of_the_report(configuration: Make, damaged: str) -> None:
    own = material(configuration())
    keep(own.run, 2, written(2))
    keep(own.run, 1, {**written(1), "generate": damaged})
    found = nights(own)
    assert [night.unfinished for night in found] == ["", "generate", ""]
    assert found[1].figures["tokens"] is None


def test_folders_that_are_no_interval_of_any_date_are_passed_by(configuration: Make) -> None:
    own = material(configuration())
    keep(own.run, 1, written(1))
    for name in ("20260231T000000Z-20260232T000000Z", "notes", "<script>"):
        (own.run.folder.parent / name / "register" / "manifest.json").write_text("{}")
    assert len(nights(own)) == 2


@pytest.mark.parametrize("value", ["<script>", None, True, float("nan"), float("inf"), [1], {"a": 1}, 10**400])
def test_what_is_no_finite_number_is_no_figure(value: Any) -> None:
    found = figures(
        written(0, changed={"generate": {"tokens": value}, "evaluate": {"test": {"control": value}}}), RETRIEVAL
    )
    assert (found["tokens"], found["control"], found["gate"]) == (None, None, None)
    assert found["treatment"] is None


def test_without_a_gate_there_is_no_line() -> None:
    made = written(0)
    made["evaluate"]["settings"]["evaluation"]["gate"] = None
    found = figures(made, RETRIEVAL)
    assert (found["control"], found["gate"]) == (0.5, None)


def test_several_intervals_of_a_day_are_told_apart_by_the_time(configuration: Make) -> None:
    own = material(configuration())
    keep(own.run, 1, written(1))
    for hour in (6, 12):
        part = Interval(interval(1).start, interval(1).start.replace(hour=hour))
        for step, manifest in written(9).items():
            (own.run.folder.parent / part.name / step / "manifest.json").write_text(json.dumps(manifest))
    labels = [night.label for night in nights(own)]
    assert labels == ["2026-02-27 06:00", "2026-02-27 12:00", "2026-02-28 00:00", "2026-03-01 00:00"]


def test_scores_of_classifiers_are_their_accuracy() -> None:
    arms = {arm: {"accuracy": score, "ndcg_at_10": 0.9} for arm, score in (("control", 0.5), ("treatment", 0.75))}
    gate = {"settings": {"evaluation": {"gate": {"max_loss": 0.02}}}}
    accuracy = {"evaluate": {"metrics": {"measure": "accuracy", "test": arms}, **gate}}
    found = figures(accuracy, CLASSIFICATION)
    assert (found["control"], found["treatment"], found["gate"]) == (0.5, 0.75, pytest.approx(0.49))
    # Whatever stands there may be damaged.
    found = figures({"evaluate": {"metrics": {"measure": ["accuracy"], "test": arms}, **gate}}, RETRIEVAL)
    assert found["control"] == 0.9
    # A retriever that was a classifier yesterday has no yesterday's score, nor the other way round.
    for kept, by in ((accuracy, RETRIEVAL), ({"evaluate": {"metrics": {"test": arms}, **gate}}, CLASSIFICATION)):
        found = figures(kept, by)
        assert (found["control"], found["treatment"], found["gate"]) == (None, None, None)


def test_intervals_before_the_task_was_changed_have_no_score_beside_todays(configuration: Make) -> None:
    own = material(configuration())
    arms = {arm: {"accuracy": 0.99, "ndcg_at_10": 0.9} for arm in ("control", "treatment")}
    keep(own.run, 2, written(2, changed={"evaluate": {"measure": "accuracy", "test": arms}}))
    keep(own.run, 1, written(1))
    found = nights(own)
    assert [night.figures["control"] for night in found] == [None, 0.5, 0.5]
    assert all(night.figures["tokens"] == 1800 for night in found)
