"""Ids of documents by their texts."""

from pathlib import Path

from synalign.export.document_ids import DocumentIds
from synalign.tables import content_id
from tests.export.sets import ROWS, Row, source


def test_a_text_has_the_id_of_the_row_whose_document_it_is(tmp_path: Path) -> None:
    with source(tmp_path) as found:
        ids = DocumentIds(found)
    assert (ids.of("sorted(x)"), ids.of("only here")) == ("d1", "d4")
    assert ids.of("nobody's") == content_id("nobody's")


def test_of_two_ids_of_one_text_the_first_counts(tmp_path: Path) -> None:
    with source(tmp_path, (*ROWS, Row("q", "other", "sorted(x)"))) as found:
        assert DocumentIds(found).of("sorted(x)") == "d1"
