"""Ids of the log that no document has, shown beside those of the documents."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from synalign.errors import InputError
from tests.querylog.trial import (
    JSONL,
    event,
    ingested,
    rejected,
)

pytestmark = pytest.mark.usefixtures("spark")


@pytest.mark.parametrize(
    ("ids", "documents", "words"),
    [
        (["1.0", "2.0"], ["1", "2"], "'1.0' in the log is '1' in the documents"),
        (["01", "002"], ["1", "2"], "'01' in the log is '1' in the documents"),
        (["1", "2"], ["0001", "0002"], "'1' in the log is '0001' in the documents"),
        (["KB-1"], ["kb-1"], "'KB-1' in the log is 'kb-1' in the documents"),
        (["https://x.example/kb-1"], ["kb-1"], "is 'kb-1' in the documents"),
        (["foo"], ["bar"], "the log has such as 'foo', the documents such as 'bar'"),
    ],
)
def test_ids_that_do_not_join_are_shown_side_by_side(
    home: Path, ids: list[str], documents: list[str], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = "".join(json.dumps({"document_id": one, "text": "x"}) + "\n" for one in [*documents, "same"])
    lines = "".join(event(document_id=one) for one in ids)
    with pytest.raises(InputError) as caught:
        ingested(home, JSONL, {"log.jsonl": lines, "d.jsonl": content})
    assert words in caught.value.cause
    if ids == ["KB-1"]:
        with caplog.at_level(logging.WARNING, "synalign"):
            run = ingested(home, JSONL, {"log.jsonl": lines * 20 + event(document_id="same"), "d.jsonl": content})
        assert rejected(run) == {"unknown_document": 20}
        assert words in caplog.text
