"""What can be asked of an export, by default everything once."""

from synalign.export.layout import EVERYTHING, Options


def test_by_default_all_negatives_go_along_and_every_row_once() -> None:
    assert Options(scores=False, negatives=None, draw=None) == EVERYTHING
