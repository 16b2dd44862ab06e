"""What a report is made from: a run as far as it has come, and no step that is out of date."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from synalign.config import Configuration
from synalign.errors import RunError
from synalign.report.material import STEPS, Material
from synalign.run import Run
from tests.report.runs import INTERVAL, made_run

Make = Callable[..., Configuration]


def test_an_unfinished_run_has_what_is_finished(configuration: Make) -> None:
    material = Material(made_run(configuration(), real=60, written=40, until="screen"))
    names = [step.name for step in STEPS]
    assert list(material.manifests) == names[: names.index("screen")]
    assert material.missing == names[names.index("screen") :]
    assert (material.stale, material.metrics("screen")) == ({}, {})
    assert material.has("candidates", "queries") and not material.has("candidates", "screening")
    assert material.table("queries", ["query_id"]) is material.table("queries", ["query_id"])
    with pytest.raises(RunError):
        material.table("screening")


def test_steps_made_with_other_settings_are_out_of_date_with_a_reason(configuration: Make) -> None:
    made_run(configuration(), real=60, written=40, until="generate")
    material = Material(Run(configuration(sampling={"batches": 7}), INTERVAL))
    assert list(material.manifests) == ["ingest", "carry", "embed"]
    assert list(material.stale) == ["sample"] and material.stale["sample"]
    assert not material.has("demonstrations")
