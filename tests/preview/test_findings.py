"""Numbers that follow from a preview."""

from __future__ import annotations

from tests.preview.findings import made


def test_verdicts_are_counted_over_all_batches() -> None:
    assert made("a", "b").verdicts == {"accepted": 2, "near_real": 2}
    assert made().verdicts == {}


def test_a_rate_is_scaled_by_batches() -> None:
    rate = made().rate
    assert (rate.whole(3), rate.whole(rate.accepted), rate.accepted_per_thousand) == (36, 60, 0.5)
    assert rate._replace(batches=0, tokens_in=0, tokens_out=0).accepted_per_thousand == 5_000.0
