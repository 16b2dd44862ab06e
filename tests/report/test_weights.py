"""The weights, against loops and hand-worked cases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from synalign.config import Configuration
from synalign.report import weights
from synalign.report.material import Material
from tests.report.runs import made_run

Make = Callable[..., Configuration]


@pytest.fixture
def finished(configuration: Make) -> Material:
    """A run that was aligned."""
    return Material(made_run(configuration(), scheme="equal_mass"))


def aligned(made: Material) -> dict[str, float]:
    rows = [row for row in made.table("weights").to_pylist() if row["scheme"] == "aligned"]
    return {row["candidate_id"]: row["weight"] * len(rows) for row in rows}


def test_spread_agrees_with_the_step_that_aligned(finished: Material) -> None:
    section = weights.section(finished)
    assert section is not None
    equal, equal_mass, found = section.content["spreads"]
    figures = finished.metrics("align")
    assert found.effective == pytest.approx(figures["effective_sample_size"])
    assert found.design_effect == pytest.approx(figures["design_effect"])
    assert found.documents == pytest.approx(figures["document_effective_sample_size"])
    assert found.largest == pytest.approx(max(aligned(finished).values()) / len(aligned(finished)))
    assert (equal.effective_share, equal.design_effect, equal.none) == (
        pytest.approx(1.0),
        pytest.approx(1.0),
        0,
    )
    assert equal_mass.documents == pytest.approx(figures["documents"])
    assert [each.in_set for each in (equal, equal_mass, found)] == [False, True, False]


def test_the_histogram_holds_every_query_and_all_of_the_weight(finished: Material) -> None:
    section = weights.section(finished)
    assert section is not None
    names = [histogram.scheme for histogram in section.content["histograms"]]
    assert names == ["aligned weights", "equal weight per document"]
    classes = section.content["histograms"][0].classes
    assert sum(each.queries for each in classes) == len(aligned(finished))
    assert sum(each.share for each in classes) == pytest.approx(1.0)
    values = list(aligned(finished).values())
    assert {each.label: each.queries for each in classes}.get("1 to 2", 0) == sum(
        1.0 <= value < 2.0 for value in values
    )
    assert {each.label: each.queries for each in classes}.get("0", 0) == sum(value < 1e-6 for value in values)


def test_extremes_are_the_heaviest_and_lightest_with_their_nearest_real_train_query(finished: Material) -> None:
    section = weights.section(finished)
    assert section is not None
    heaviest, lightest = section.content["heaviest"], section.content["lightest"]
    ordered = sorted(aligned(finished).values())
    assert [each.weight for each in heaviest] == pytest.approx(ordered[: -len(heaviest) - 1 : -1])
    assert [each.weight for each in lightest] == pytest.approx(ordered[: len(lightest)])
    best = max(aligned(finished), key=lambda name: aligned(finished)[name])
    rows = {row["id"]: np.array(row["embedding"]) for row in finished.table("candidate_embeddings").to_pylist()}
    real = {row["id"]: np.array(row["embedding"]) for row in finished.table("query_embeddings").to_pylist()}
    train = [row for row in finished.table("queries").to_pylist() if row["split"] == "train"]
    cosine, text = max((float(rows[best] @ real[row["query_id"]]), row["query"]) for row in train)
    assert heaviest[0].cosine == pytest.approx(cosine, abs=1e-6)
    assert heaviest[0].nearest == text


def test_before_alignment_there_is_nothing_to_show(configuration: Make) -> None:
    assert weights.section(Material(made_run(configuration(), until="align"))) is None
