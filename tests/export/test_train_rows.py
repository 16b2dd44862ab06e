"""Rows to train on: once each, or drawn in proportion to weight."""

from collections import Counter
from pathlib import Path

import pytest

from synalign.errors import InputError
from synalign.export.layout import Options
from synalign.export.train_rows import left_out_note, pairs, train_rows
from tests.export.sets import ROWS, Row, source


def test_each_row_is_there_once_without_drawing(tmp_path: Path) -> None:
    with source(tmp_path) as found:
        rows = list(train_rows(found, Options()))
    assert [(row.query, row.document_id, row.weight) for row in rows] == [row[:2] + row[3:4] for row in ROWS[:3]]
    assert rows[2].negatives == ("read(f)", "read(f)")


@pytest.mark.parametrize("draw", [1, 2, 7, 100, 35_000])
def test_draws_are_the_share_of_the_weight_up_to_one(tmp_path: Path, draw: int) -> None:
    with source(tmp_path) as found:
        counts = Counter(row.document_id for row in train_rows(found, Options(draw=draw)))
    assert sum(counts.values()) == draw
    for row in ROWS[:3]:
        assert abs(counts[row.document_id] - draw * row.weight / 3.5) < 1.0


def test_a_row_without_weight_is_never_drawn(tmp_path: Path) -> None:
    rows = (Row("a", "da", "A", 0.0), Row("b", "db", "B", 1e-9), Row("c", "dc", "C", 0.0))
    with source(tmp_path, rows, 0) as found:
        assert {row.document_id for row in train_rows(found, Options(draw=50))} == {"db"}
    with (
        source(tmp_path, (Row("a", "da", "A", 0.0),), 0) as found,
        pytest.raises(InputError, match="no weight to draw"),
    ):
        list(train_rows(found, Options(draw=5)))


def test_rows_without_scores_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = (*ROWS, Row("new", "d5", "fresh", negatives=("a", "b"), scores=(1.0, None), score=3.0))
    with source(tmp_path, rows) as found:
        left_out: Counter[str] = Counter()
        assert len(list(train_rows(found, Options(), left_out))) == 3
    assert left_out_note(left_out) == ("1 train rows without all scores of the teacher were left out.",)
    assert left_out_note(Counter()) == ()


def test_a_set_without_rows_to_train_on_is_refused(tmp_path: Path) -> None:
    with source(tmp_path, ROWS[3:]) as found, pytest.raises(InputError, match="no row of the split train"):
        list(train_rows(found, Options()))
    silent = tuple(row._replace(score=None) for row in ROWS)
    with source(tmp_path, silent) as found, pytest.raises(InputError, match="no row with scores"):
        list(train_rows(found, Options(), Counter()))


def test_pairs_of_other_splits(tmp_path: Path) -> None:
    with source(tmp_path) as found:
        assert list(pairs(found, "test")) == [("held out too", "only here")]
        assert list(pairs(found, "nothing")) == []
