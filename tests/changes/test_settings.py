"""What was done differently."""

from typing import Any

from tests.changes.sets import compared


def test_what_changes_no_row_comes_last(pair: Any) -> None:
    names = [(one.name, one.before, one.after, one.matters) for one in compared().differences]
    assert names == [("seed", "0", "7", True), ("owner", "search", "ads", False)]
