"""Warnings: each where its cause is, with what to do, the bad ones first."""

from __future__ import annotations

from typing import Any

import pytest

from synalign.report import verdict, warnings
from synalign.report.material import Material
from tests.report.runs import changed, ids


def test_failed_checks_come_first_with_what_to_do(finished: Material) -> None:
    failures = [
        "gate: shown to lose more than 0.5 %",
        "effective share 0.05 is below 0.1",
        "3 synthetic rows are fewer than 9",
    ]
    failed = changed(finished, register={"failures": failures, "current": False})
    content = verdict.section(failed).content
    assert content["level"] == "bad" and "the alias current stays" in content["status"]
    assert [line for line in content["todo"] if "Raise alignment.ridge" in line]
    assert "whatever was current before still is" in content["todo"][-1]
    found = warnings.warnings_of(failed)
    assert [warning.level for warning in found[:3]] == ["bad"] * 3
    assert all(warning.remedy for warning in found)


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        ({"ingest": {"log_rows": 9000}}, "log"),
        ({"sample": {"batches": 3, "batches_asked_for": 6}}, "few-batches"),
        ({"generate": {"endpoint": "embedded"}}, "embedded-writer"),
        ({"screen": {"accepted": 20, "rejected": {"leak": 180}}}, "few-accepted"),
        ({"align": {"effective_sample_size": 20.0}}, "narrow"),
        ({"align": {"document_effective_sample_size": 2.0}}, "narrow-documents"),
        ({"evaluate": {"validated": False, "reason": "not validated: no retriever was trained"}}, "not-validated"),
        ({"evaluate": {"queries": {"validation": 12, "test": 300}}}, "few-validation"),
        ({"evaluate": {"gate": {"status": "not evaluated", "reason": "off"}}}, "no-gate"),
        ({"teach": {"not_scored": 4, "over_budget": 2}}, "not-scored"),
        ({"teach": {"not_scored": 4, "over_budget": 0}}, "not-scored"),
    ],
)
def test_each_thing_to_know_of_is_a_warning_with_a_remedy(
    finished: Material, metrics: dict[str, Any], expected: str
) -> None:
    calm = {"mmd2_held_out_p_value": 1e-4, "effective_sample_size": 170.0}
    before = changed(finished, align=calm)
    assert expected not in ids(before)
    metrics = {**metrics, "align": {**calm, **metrics.get("align", {})}}
    (found,) = [warning for warning in warnings.warnings_of(changed(finished, **metrics)) if warning.id == expected]
    assert found.title and found.remedy and found.level == "caution"


def carried(material: Material, left: dict[str, int], rejected: dict[str, int], found: int = 100) -> Material:
    return changed(material, carry={"found": found, "left": left}, screen={"carried": {"rejected": rejected}})


def test_a_pool_of_which_most_is_lost_is_warned_of_with_the_commonest_reason(finished: Material) -> None:
    lossy = carried(finished, {"document_changed": 40, "retired": 5}, {"leak": 15})
    (found,) = [warning for warning in warnings.warnings_of(lossy) if warning.id == "few-carried"]
    assert "55\u202f% of what earlier intervals wrote" in found.title
    assert "40 were lost as document changed" in found.detail
    assert "leave it out of the documents' text" in found.remedy


@pytest.mark.parametrize(
    ("left", "rejected", "found"),
    [
        ({"document_changed": 50}, {}, 100),
        ({"retired": 90, "written_again": 5, "over_limit": 5}, {}, 100),
        ({}, {}, 0),
    ],
)
def test_what_leaves_a_pool_by_its_settings_and_a_first_interval_are_no_warning(
    finished: Material, left: dict[str, int], rejected: dict[str, int], found: int
) -> None:
    assert "few-carried" not in ids(carried(finished, left, rejected, found))


def test_batches_that_nothing_would_be_gained_by_are_no_lack_of_queries(finished: Material) -> None:
    enough = {"batches": 2, "batches_asked_for": 6, "batches_not_worth_asking": 4}
    assert "few-batches" not in ids(changed(finished, sample=enough))
    (found,) = [
        warning
        for warning in warnings.warnings_of(changed(finished, sample={**enough, "batches_not_worth_asking": 3}))
        if warning.id == "few-batches"
    ]
    assert found.title == "5 of 6 batches of demonstrations."


def test_what_never_came_is_warned_of_with_the_ceiling_named(finished: Material) -> None:
    ledger = {**finished.metrics("generate")["ledger"], "not_written": {"over_budget": 60}}
    (found,) = [
        warning
        for warning in warnings.warnings_of(changed(finished, generate={"ledger": ledger}))
        if warning.id == "not-written"
    ]
    assert "over budget 60" in found.detail and "generation.budget" in found.remedy


def test_steps_of_several_versions_are_warned_of(finished: Material) -> None:
    other = changed(finished)
    other.manifests["screen"]["versions"]["synalign"] = "0.0.9"
    (found,) = [warning for warning in warnings.warnings_of(other) if warning.id == "versions"]
    assert "screen 0.0.9" in found.detail
