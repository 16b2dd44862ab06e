"""Changes in a terminal."""

from typing import Any

from tests.changes.sets import compared, told


def test_the_tables_show_examples_settings_and_figures(pair: Any) -> None:
    text = told(compared())
    for expected in ("buy a boat", "how to sort list", "more like these", "seed", "nDCG@10, with the set", "one title"):
        assert expected in text, expected
    assert "0.5200" in text
