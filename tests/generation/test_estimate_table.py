"""An estimate as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from synalign.generation.estimate import Amount, Estimate, Pool, as_json, estimate
from synalign.generation.estimate_table import as_table
from tests.generation.test_estimate import settings


def test_without_prices_no_money_is_said_and_the_settings_are_named() -> None:
    found = estimate(settings())
    assert found.money is None
    assert as_json(found)["money"] is None
    assert any("not known" in line and "input_price" in line for line in as_table(found))


@pytest.mark.parametrize(
    ("ceilings", "verdict"),
    [
        ({}, "no_ceiling"),
        ({"max_tokens": 3000}, "fits"),
        ({"max_tokens": 2999}, "may_stop"),
        ({"max_tokens": 300}, "may_stop"),
        ({"max_tokens": 299}, "stops"),
        ({"max_money": 2.0}, "fits"),
        ({"max_money": 1.0}, "may_stop"),
        ({"max_money": 0.9}, "stops"),
        ({"max_money": 5.0, "max_tokens": 299}, "stops"),
        ({"max_money": 1.5, "max_tokens": 5000}, "may_stop"),
    ],
)
def test_whether_it_fits_under_the_ceilings(ceilings: dict[str, Any], verdict: str) -> None:
    found = Estimate(
        "r", "online", "configuration", None, 1, 1, 2, 1, Amount(100, 1000), Amount(200, 2000), "usual",
        Amount(1.0, 2.0), "EUR", ceilings.get("max_money"), ceilings.get("max_tokens"),
    )  # fmt: skip
    assert found.verdict == verdict
    line = next(line for line in as_table(found) if "Ceiling" in line)
    assert ("DOES NOT FIT" in line) == (verdict == "stops")
    assert ("even at most" in line) == (verdict == "fits")


def test_what_is_carried_stands_below_the_ceiling_and_is_left_out_where_nothing_is_known() -> None:
    found = estimate(settings())
    assert not any("arried" in line for line in as_table(found))
    pool = Pool(1200, 1000, {"document_gone": 150, "retired": 50}, 3, "20260301T000000Z-20260302T000000Z", 1000, 4)
    lines = [line.strip() for line in as_table(found._replace(pool=pool))]
    assert lines[-5:] == [
        "Carried: 1,000 of 1,200 queries of earlier intervals, from 3.",
        "Left behind: document_gone 150, retired 50.",
        "By what the interval 20260301T000000Z-20260302T000000Z ingested; today's data may differ.",
        "Another encoder: 1,000 carried queries are embedded anew, and judged by it.",
        "Not worth asking (sampling.stop_gain): 4 batches in the latest refresh.",
    ]
    nothing = pool._replace(found=0, carried=0, left={}, embedded_anew=0, batches_left_out=None)
    assert as_table(found._replace(pool=nothing))[-1].strip().startswith("Carried: no earlier interval")
