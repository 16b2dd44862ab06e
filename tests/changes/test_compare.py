"""Whole comparisons: what is told, as words, tables, page and JSON, and that strangers' texts stay text."""

import json
from typing import Any

from synalign import changes
from synalign.changes import page, telling
from tests.changes.sets import NAMES, compared, told


def test_a_set_is_the_same_as_itself(pair: Any) -> None:
    side = changes.side(NAMES[0])
    found = changes.compare(side, side)
    assert telling.headline(found) == ["The two training sets are the same, to the byte."]
    assert [line for line in told(found).splitlines() if line][1:] == [f"  {telling.headline(found)[0]}"]
    assert "The same set" in page.render(found)


def test_json_has_it_all_as_plain_data(pair: Any) -> None:
    found = json.loads(json.dumps(compared().as_json()))
    assert found["before"]["name"] == NAMES[0]
    assert found["rows"]["counts"]["synthetic"] == {
        "before": 2, "after": 2, "kept": 1, "came": 1, "went": 1, "moved": 0
    }  # fmt: skip
    assert found["drift"]["p_value"] < 0.001
    assert found["same"] is False
