"""Costs: those of the manifests, and unknown where the endpoint does not tell."""

from __future__ import annotations

import pyarrow as pa
import pytest

from synalign.report import costs, verdict
from synalign.report.material import Material
from synalign.report.page import _body, _environment
from tests.report.runs import changed


def test_seconds_tokens_and_money_are_those_of_the_manifests(finished: Material) -> None:
    section = costs.section(changed(finished, generate={"money": 0.0036}))
    assert section is not None
    content = section.content
    assert content["seconds"] == pytest.approx(sum(made["seconds"] for made in finished.manifests.values()))
    assert content["tokens"] == 1800 and content["sums"] == [(0.0036, "USD")]
    assert content["each"] == pytest.approx(0.0036 / 180)
    # 6 requests of a kind, 100 tokens in at 1 and 50 out at 4 per million.
    assert [kind.money for kind in content["kinds"]] == pytest.approx([6 * (100 * 1 + 50 * 4) / 1e6] * 2)
    assert sum(step.part for step in content["steps"]) == pytest.approx(1.0)


def test_the_teacher_is_paid_like_the_writer_and_currencies_are_not_mixed(finished: Material) -> None:
    taught = {"tokens": 900, "money": 0.25, "currency": "USD", "requests": 9, "not_scored": 0}
    for currency, sums in (("USD", [(0.75, "USD")]), ("EUR", [(0.5, "USD"), (0.25, "EUR")])):
        made = changed(finished, generate={"money": 0.5}, teach={**taught, "currency": currency})
        section = costs.section(made)
        assert section is not None
        assert section.content["sums"] == sums and section.content["paid"]
        (teach,) = [step for step in section.content["steps"] if step.name == "teach"]
        assert (teach.tokens, teach.money, teach.currency) == (900, 0.25, currency)
        page = _body(_environment(), section)
        assert ("0.5000 USD + 0.2500 EUR" in page) == (currency == "EUR")


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
