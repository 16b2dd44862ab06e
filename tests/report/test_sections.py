"""The sections that tell: verdict, sums, costs, lineage, warnings; each says what is so, and what to do."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from synalign.config import Configuration
from synalign.prompts.templates import template
from synalign.report import closeness, costs, flow_table, lineage, population, verdict, warnings
from synalign.report.material import Material
from synalign.report.sums import Part, Sum
from tests.report.runs import made_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Material]:
    """A run whose every step has finished; held-out queries and weights are real, found by the step align."""
    content = {
        "retriever": "shop",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "generation": {"endpoint": "https://model.example/v1", "budget": {"input_price": 1.0, "output_price": 4.0}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNALIGN_HOME", str(tmp_path_factory.mktemp("home")))
        yield Material(made_run(Configuration.model_validate(content), real=1500, written=200))


def changed(material: Material, **metrics: dict[str, Any]) -> Material:
    """The same run, had its steps found other figures."""
    other = copy.copy(material)
    other.manifests = copy.deepcopy(material.manifests)
    for step, figures in metrics.items():
        other.manifests[step]["metrics"].update(figures)
    return other


def without(material: Material, *steps: str) -> Material:
    """The same run, had these steps not finished."""
    other = copy.copy(material)
    other.manifests = {step: manifest for step, manifest in material.manifests.items() if step not in steps}
    other.missing = list(steps)
    return other


def evaluated(material: Material, scheme: str, **figures: Any) -> Material:
    """The same run, had these weights been chosen."""
    return changed(material, evaluate={"scheme": scheme, **figures})


def told(material: Material) -> str:
    content = verdict.section(material).content
    return " ".join([content["status"], *content["lines"], *content["todo"]])


def ids(material: Material) -> list[str]:
    return [warning.id for warning in warnings.warnings_of(material)]


def test_a_good_run_is_told_in_two_lines_with_nothing_to_warn_of(finished: Material) -> None:
    figures = {"mmd2_held_out_before": 1.3e-3, "mmd2_held_out_after": 3.2e-4, "mmd2_held_out_p_value": 1e-4}
    size = {"effective_sample_size": 0.82 * finished.metrics("align")["synthetic"]}
    good = changed(finished, align={**figures, **size})
    content = verdict.section(good).content
    assert ids(good) == [] and (content["status"], content["level"]) == ("Checks passed", "good")
    assert len(content["lines"]) == 2
    assert "4.1\u00d7 closer to real traffic than the unweighted one" in content["lines"][0]
    before, after = (f"{text}\u202f\u00d7\u202f10\u207b" for text in ("1.3", "3.2"))
    assert f"(MMD\u00b2 {before}\u00b3 \u2192 {after}\u2074 on 300 held-out queries, p < 0.001)" in content["lines"][0]
    assert "Cost of it: 18\u202f% of the effective sample (180 written queries are worth 148)." in content["lines"][0]
    assert "aligned weights: best of three on 150 validation queries." in content["lines"][1]
    assert "0.5400 nDCG@10 on 300 test queries, against 0.5000" in content["lines"][1]
    assert content["lines"][1].endswith("better.")
    assert content["todo"] == ["Train on version 3 of shop-training-set: it is what the alias current points at."]


def test_figures_of_weights_that_were_not_chosen_are_not_the_sets_own(finished: Material) -> None:
    equal = verdict.section(evaluated(finished, "equal")).content["lines"][0]
    assert equal.startswith("The written queries all weigh the same, at MMD\u00b2")
    assert "Aligned weights would be" in equal and "but were not chosen" in equal
    assert "Cost of it" not in equal
    assert verdict.effective_size(evaluated(finished, "equal")) == (180.0, 180)


def test_equal_mass_is_measured_as_alignment_measures_itself(finished: Material) -> None:
    """The same measurement on the aligned weights gives back what the step wrote; on others, its own."""
    aligned = closeness.of_aligned(finished)
    assert aligned is not None
    again = closeness.measured(finished, "aligned")
    assert again == pytest.approx(aligned, rel=1e-9)
    fair = closeness.of_chosen(evaluated(finished, "equal_mass"))
    assert fair is not None and fair.before == pytest.approx(aligned.before, rel=1e-9)
    assert fair.after != pytest.approx(aligned.after, rel=1e-3)
    _, weights = population.weights(finished, "equal_mass")
    size, rows = verdict.effective_size(evaluated(finished, "equal_mass"))
    assert (size, rows) == (pytest.approx(1.0 / np.square(weights).sum()), 180)


def test_equal_weights_measured_afresh_are_where_they_began(finished: Material) -> None:
    found = closeness.measured(finished, "equal")
    assert found.after == pytest.approx(found.before) and found.p_value == 1.0


@pytest.mark.parametrize(
    ("figures", "expected", "warned"),
    [
        ({"mmd2_held_out_p_value": 0.4}, "is not shown to be closer to real traffic", ["not-closer"]),
        (
            {"mmd2_held_out_before": 0.01, "mmd2_held_out_after": 0.03, "mmd2_held_out_p_value": 1.0},
            "3.0\u00d7 further from real traffic",
            ["not-closer"],
        ),
        ({"mmd2_held_out_before": 0.01, "mmd2_held_out_after": 0.0099}, "is hardly closer", []),
        ({"mmd2_held_out_before": 0.01, "mmd2_held_out_after": 0.0}, "over 1,000\u00d7 closer", []),
        ({"real_held_out": 40}, "on 40 held-out queries", ["few-held-out"]),
    ],
)
def test_what_alignment_did_not_do_is_said(
    finished: Material, figures: dict[str, Any], expected: str, warned: list[str]
) -> None:
    other = changed(finished, align={"mmd2_held_out_p_value": 1e-4, "effective_sample_size": 170.0, **figures})
    assert expected in told(other)
    assert ids(other) == warned


def test_without_held_out_queries_nothing_is_claimed(finished: Material) -> None:
    other = changed(finished)
    for key in ("before", "after", "p_value"):
        del other.manifests["align"]["metrics"][f"mmd2_held_out_{key}"]
    assert "was not measured: no real query is held out for it" in told(other)
    assert "closer" not in verdict.section(other).content["lines"][0]
    assert "no-held-out" in ids(other)


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


def test_every_sum_adds_up_and_an_edited_one_says_so(finished: Material) -> None:
    sums = flow_table.section(finished).content["sums"]
    assert [sum_.title for sum_ in sums] == [
        "Rows of the log", "Distinct real queries", "Queries asked of the model", "Rows of the training set",
    ]  # fmt: skip
    assert all(sum_.balanced for sum_ in sums)
    ledger = sums[2]
    assert {part.name: part.number for part in ledger.parts} == {
        "accepted": 180, "rejected: over length": 5, "rejected: near duplicate": 20, "not written: not returned": 4,
    }  # fmt: skip
    assert (ledger.total, ledger.beside[0].number) == (209, 1)
    wrong = changed(finished, screen={"accepted": 179})
    assert not flow_table.section(wrong).content["sums"][2].balanced


def test_each_reason_has_three_examples_where_there_are_three(finished: Material) -> None:
    sums = {sum_.title: sum_ for sum_ in flow_table.section(finished).content["sums"]}
    examples = {part.name: part.examples for sum_ in sums.values() for part in sum_.parts if part.fate == "lost"}
    counts = {name: len(found) for name, found in examples.items()}
    assert counts == {
        "empty query": 3, "malformed time": 1, "rejected: over length": 3, "rejected: near duplicate": 3,
        "not written: not returned": 0,
    }  # fmt: skip
    assert examples["rejected: near duplicate"][0].note == "cosine 0.97, for d1"


def test_where_no_query_came_the_requests_are_the_examples(finished: Material) -> None:
    ledger = {**finished.metrics("generate")["ledger"], "rejected": {"refused": 5}}
    other = changed(finished, generate={"ledger": ledger})
    requests = finished.table("requests")
    place = requests.schema.get_field_index("outcome")
    refused = pc.if_else(pc.equal(requests["kind"], "write"), "refused", requests["outcome"])
    other._tables = {**finished._tables, ("requests", None): requests.set_column(place, "outcome", refused)}
    (part,) = [part for part in flow_table.section(other).content["sums"][2].parts if part.name == "rejected: refused"]
    assert len(part.examples) == 3 and all(example.text.startswith("request ") for example in part.examples)


def test_parts_fill_their_row() -> None:
    places = Sum("x", [Part("a", 1, "kept"), Part("b", 3, "lost")], 4, "all").places
    assert [(part.name, start, width) for part, start, width in places] == [("a", 0.0, 25.0), ("b", 25.0, 75.0)]
    assert Sum("x", [], 0, "all").balanced


def test_seconds_tokens_and_money_are_those_of_the_manifests(finished: Material) -> None:
    section = costs.section(changed(finished, generate={"money": 0.0036}))
    assert section is not None
    content = section.content
    assert content["seconds"] == pytest.approx(sum(made["seconds"] for made in finished.manifests.values()))
    assert content["tokens"] == 1800 and content["money"] == 0.0036
    assert content["each"] == pytest.approx(0.0036 / 180)
    # 6 requests of a kind, 100 tokens in at 1 and 50 out at 4 per million.
    assert [kind.money for kind in content["kinds"]] == pytest.approx([6 * (100 * 1 + 50 * 4) / 1e6] * 2)
    assert sum(step.part for step in content["steps"]) == pytest.approx(1.0)


def test_lineage_has_every_digest_and_the_wording_that_was_used(finished: Material) -> None:
    section = lineage.section(finished)
    assert section is not None
    digests = {(row.table, row.digest) for row in section.content["tables"]}
    assert digests == {
        (table, content["digest"]) for made in finished.manifests.values() for table, content in made["tables"].items()
    }
    used = template("write", finished.configuration)
    prompt = next(prompt for prompt in section.content["prompts"] if prompt.kind == "write")
    assert prompt.digest == used.digest and prompt.text is not None and used.system in prompt.text
    assert "retriever: shop" in section.content["configuration"]


def test_a_wording_that_was_changed_since_is_not_shown_as_the_one_used(finished: Material) -> None:
    other = changed(finished)
    other.manifests["generate"]["outside"]["prompts/write"] = "0" * 64
    section = lineage.section(other)
    assert section is not None
    assert {prompt.kind: prompt.text is None for prompt in section.content["prompts"]} == {
        "reason": False, "write": True,
    }  # fmt: skip


def test_an_unfinished_run_says_what_is_next_and_claims_nothing_of_the_rest(finished: Material) -> None:
    early = without(finished, "align", "evaluate", "assemble", "register")
    content = verdict.section(early).content
    assert content["status"] == "Unfinished" and "the next one is align" in content["lines"][0]
    assert "closer" not in told(early)
    assert [tile.name for tile in content["tiles"]] == ["Accepted", "Model", "Time"]
    nothing = without(finished, *finished.manifests)
    assert verdict.section(nothing).content["tiles"] == []
    assert costs.section(nothing) is None and lineage.section(nothing) is None


def test_a_cost_that_the_endpoint_does_not_tell_is_unknown_and_at_most_something(finished: Material) -> None:
    figures = {"money": None, "tokens": None, "usage_missing": 6, "money_at_most": 0.64, "tokens_at_most": 9000}
    other = changed(finished, generate=figures)
    section = costs.section(other)
    assert section is not None
    assert section.content["money_in_words"] == "unknown, at most 0.6400 USD"
    assert section.content["each"] is None
    requests = finished.table("requests")
    for name in ("tokens_in", "tokens_out"):
        place = requests.schema.get_field_index(name)
        requests = requests.set_column(place, name, pa.nulls(len(requests), pa.int64()))
    other._tables = {**finished._tables, ("requests", None): requests}
    section = costs.section(other)
    assert section is not None
    assert {(kind.tokens_in, kind.money) for kind in section.content["kinds"]} == {(None, None)}
    (tile,) = [tile for tile in verdict.section(other).content["tiles"] if tile.name in ("Model", "Tokens")]
    assert "unknown, at most" in tile.value
