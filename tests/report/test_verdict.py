"""The verdict: two lines and a few tiles, which claim nothing that was not measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.report import costs, lineage, verdict
from synalign.report.material import Material
from tests.report.runs import changed, evaluated, ids, made_run, told, without

Make = Callable[..., Configuration]


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
    assert content["lines"][1].startswith(
        "It has aligned weights at 2 times the weight of the real pairs: better than real pairs alone by more than one "
        "standard error on 150 validation queries. "
    )
    assert "0.5400 nDCG@10 on 300 test queries, against 0.5000" in content["lines"][1]
    assert content["lines"][1].endswith("better.")
    assert content["todo"] == ["Train on version 3 of shop-training-set: it is what the alias current points at."]


def test_figures_of_weights_that_were_not_chosen_are_not_the_sets_own(finished: Material) -> None:
    equal = verdict.section(evaluated(finished, "equal")).content["lines"][0]
    assert equal.startswith("The written queries all weigh the same, at MMD\u00b2")
    assert "Aligned weights would be" in equal and "but were not chosen" in equal
    assert "Cost of it" not in equal
    assert verdict.effective_size(evaluated(finished, "equal")) == (180.0, 180)


def test_real_pairs_alone_are_told_first_and_as_no_win(configuration: Make) -> None:
    alone = Material(made_run(configuration(), real=1500, written=200, scheme="none"))
    content = verdict.section(alone).content
    assert content["lines"][0].startswith(
        "The set is the real pairs alone: the 180 accepted queries are not in it. Training with written queries is not "
        "better than real pairs alone by more than one standard error on 150 validation queries. "
    )
    assert content["lines"][0].endswith("scores 0.5000 nDCG@10 on 300 test queries.")
    assert "closer" not in told(alone) and "against" not in told(alone)
    assert "real-pairs-alone" in ids(alone)
    assert [tile.name for tile in content["tiles"]] == ["Training set", "Accepted", "Tokens", "Time"]
    assert content["tiles"][0].note == "1,500 real, 0 synthetic"


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


def test_an_unfinished_run_says_what_is_next_and_claims_nothing_of_the_rest(finished: Material) -> None:
    early = without(finished, "align", "evaluate", "assemble", "register")
    content = verdict.section(early).content
    assert content["status"] == "Unfinished" and "the next one is align" in content["lines"][0]
    assert "closer" not in told(early)
    assert [tile.name for tile in content["tiles"]] == ["Accepted", "Model", "Time"]
    nothing = without(finished, *finished.manifests)
    assert verdict.section(nothing).content["tiles"] == []
    assert costs.section(nothing) is None and lineage.section(nothing) is None


def test_what_earlier_intervals_wrote_has_a_tile_where_there_is_any(finished: Material) -> None:
    screened = {"carried": {"candidates": 30, "accepted": 25, "rejected": {"leak": 5}, "written_again": 0}}
    tiles = verdict.section(changed(finished, carry={"found": 40}, screen=screened)).content["tiles"]
    assert [(tile.value, tile.note) for tile in tiles if tile.name == "From earlier intervals"] == [
        ("25", "of 40 accepted then")
    ]
    assert "From earlier intervals" not in [tile.name for tile in verdict.section(finished).content["tiles"]]
