"""The split in plain Python is that of the Spark expression's test oracle, which takes the hash from its bytes."""

from __future__ import annotations

import pytest

from synalign.config import Ingest
from synalign.pool.splits import split_of
from tests.querylog.test_splits import IDS
from tests.querylog.test_splits import split_of as by_bytes


@pytest.mark.parametrize(
    "settings",
    [Ingest(), Ingest(validation_fraction=0.0, test_fraction=0.0), Ingest(split_salt="日本", validation_fraction=0.4)],
)
def test_it_is_the_one_of_ingest(settings: Ingest) -> None:
    assert [split_of(query_id, settings) for query_id in IDS] == [by_bytes(query_id, settings) for query_id in IDS]
