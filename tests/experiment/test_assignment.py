"""Assignment against published vectors in three implementations, and what it promises: even, independent, unmoved."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from synalign.errors import ArgumentError
from synalign.experiment import ExperimentPlan
from synalign.experiment.assignment import arm_of, assign, bucket, description, vectors

UNITS = [f"user-{number}" for number in range(40_000)]
DAY = date(2026, 3, 1)
# However little traffic a test lets in, it is enough.
TINY = {"minimum_detectable_effect": 10.0, "baseline": {"mean": 1.0, "variance": 1e-6, "units_per_day": 1e12}}


def buckets(salt: str) -> np.ndarray:
    return np.array([bucket(salt, unit) for unit in UNITS])


def test_the_published_vectors_hold() -> None:
    for row in vectors()["buckets"]:
        assert bucket(row["salt"], row["unit"]) == row["bucket"], row
    for row in vectors()["assignments"]:
        assert bucket(f"{row['salt']}/traffic", row["unit"]) == row["traffic_bucket"], row
        assert bucket(f"{row['salt']}/arm", row["unit"]) == row["arm_bucket"], row


def test_the_published_assignments_hold(plan: Callable[..., ExperimentPlan]) -> None:
    arms = set()
    for row in vectors()["assignments"]:
        made = plan(
            salt=row["salt"],
            treatment_share=row["treatment_share"],
            ramp=[{"start": DAY, "share": row["traffic_share"]}],
            **TINY,
        )
        assert assign(made, row["unit"], DAY) == row["arm"], row
        arms.add(row["arm"])
    assert arms == {"control", "treatment", None}


def test_a_bucket_by_hand() -> None:
    known = subprocess.run(["sha256sum"], input=b"checkout:user-1", capture_output=True, check=True).stdout
    assert int(known[:12], 16) % 10_000 == bucket("checkout", "user-1") == 5753


def test_the_sql_that_is_published_agrees(spark: Any) -> None:
    (sql,) = re.findall(r"Spark SQL:\n\n    (.+)\n", description())
    rows = vectors()["buckets"]
    frame = spark.createDataFrame(
        [(row["salt"], row["unit"], row["bucket"]) for row in rows], "salt string, unit string, bucket int"
    )
    assert frame.where(f"({sql}) <> bucket").count() == 0
    assert frame.where(f"({sql}) = bucket").count() == len(rows)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_javascript_that_is_published_agrees() -> None:
    (script,) = re.findall(r"JavaScript \(Node\):\n\n((?:    .+\n)+)", description())
    rows = vectors()["buckets"]
    program = (
        'const {createHash} = require("crypto");' + script + f"const rows = {json.dumps(rows)};"
        "console.log(JSON.stringify(rows.map(r => bucket(r.salt, r.unit))));"
    )
    done = subprocess.run(["node", "-"], input=program, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [row["bucket"] for row in rows]


def test_buckets_are_even() -> None:
    counts = np.bincount(buckets("even") // 100, minlength=100)
    assert stats.chisquare(counts).pvalue > 1e-4


def test_arms_are_independent_across_salts() -> None:
    """Chi-square of the 2 x 2 table of arms, for every pair of 20 salts: the p-values are as even as they should be."""
    arms = [buckets(f"salt-{number}/arm") < 5_000 for number in range(20)]
    p_values = []
    for first in range(20):
        for second in range(first):
            table = np.array(
                [[np.sum((arms[first] == a) & (arms[second] == b)) for a in (False, True)] for b in (False, True)]
            )
            p_values.append(stats.chi2_contingency(table, correction=False).pvalue)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3
    assert min(p_values) > 1e-3 / len(p_values)


def test_traffic_and_arm_are_independent(plan: Callable[..., ExperimentPlan]) -> None:
    made = plan(ramp=[{"start": DAY, "share": 0.3}])
    seen = [assign(made, unit, DAY) for unit in UNITS]
    inside = [arm for arm in seen if arm is not None]
    assert stats.binomtest(len(inside), len(UNITS), 0.3).pvalue > 1e-4
    assert stats.binomtest(inside.count("treatment"), len(inside), 0.5).pvalue > 1e-4


@given(
    unit=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    salt=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    shares=st.lists(st.integers(1, 10_000), min_size=1, max_size=8),
    split=st.integers(1, 9_999),
)
def test_more_traffic_admits_units_and_never_moves_one(
    plan: Callable[..., ExperimentPlan], unit: str, salt: str, shares: list[int], split: int
) -> None:
    ramp = [
        {"start": DAY + timedelta(days=number), "share": share / 10_000} for number, share in enumerate(sorted(shares))
    ]
    made = plan(salt=salt, ramp=ramp, treatment_share=split / 10_000, **TINY)
    seen = [assign(made, unit, step["start"]) for step in ramp]
    entered = next((place for place, arm in enumerate(seen) if arm is not None), len(seen))
    assert seen == [None] * entered + [arm_of(made, unit)] * (len(seen) - entered)
    assert max(shares) < 10_000 or seen[-1] is not None


def test_before_and_after_the_experiment_nobody_is_in_it(plan: Callable[..., ExperimentPlan]) -> None:
    made = plan()
    for day in (made.start - timedelta(days=1), made.stop + timedelta(days=1)):
        assert {assign(made, unit, day) for unit in UNITS[:50]} == {None}
    assert {assign(made, unit, made.stop) for unit in UNITS[:50]} == {"control", "treatment"}


def test_ids_that_differ_in_a_byte_are_two_units() -> None:
    spellings = ["Zoë", "Zoe\u0308", "zoë", " Zoë", "Zoë ", "Zoë\0"]
    assert len({bucket("s", spelling) for spelling in spellings}) == len(spellings)


@pytest.mark.parametrize("unit", ["", "\ud800", 7, None, b"user"])
def test_a_unit_that_is_no_text_is_refused(unit: Any) -> None:
    with pytest.raises(ArgumentError, match="unit == "):
        bucket("s", unit)


@pytest.mark.parametrize("salt", ["", "a:b", None])
def test_a_salt_that_would_be_ambiguous_is_refused(salt: Any) -> None:
    with pytest.raises(ArgumentError, match="salt == "):
        bucket(salt, "user")
