"""Examples of dropped queries for people, without personal data."""

from __future__ import annotations

from synalign.generation.examples import dropped_examples
from tests.generation.test_writing import CONFIGURATION, read


def test_examples_of_what_was_dropped_go_by_the_ledgers_reasons_and_hold_no_personal_data():
    long, mail = "far too long a query for it", "write to jane.roe@example.org"
    written = [read((0, [long, mail]), (7, ["nobody's"])), read((0, ["half \ufffd", long]), (1, [long, "a\x07"]))]
    assert dropped_examples(written, CONFIGURATION) == {
        "over_length": [
            {"query": long, "document_id": "zero"},
            {"query": "write to [EMAIL]", "document_id": "zero"},
            {"query": long, "document_id": "zero"},
        ],
        "unknown_document": [{"query": "nobody's", "document_id": ""}],
        "invalid": [
            {"query": "half \ufffd", "document_id": "zero"},
            {"query": "a\x07", "document_id": "one"},
        ],
    }
