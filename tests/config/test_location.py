"""Where a table is: one of a path, a table and a query, or a format of Spark's; no login stands in the file."""

from typing import Any

import pytest
from pydantic import ValidationError

from synalign.config import Configuration
from synalign.config.location import TableFiles


@pytest.mark.parametrize(
    ("settings", "by_spark", "location"),
    [
        ({"path": "log"}, False, "log"),
        ({"path": "log", "format": "csv"}, False, "log"),
        ({"path": "s3a://bucket/log"}, True, "s3a://bucket/log"),
        ({"path": "log", "format": "delta"}, True, "log"),
        ({"table": "lake.search.log"}, True, "table lake.search.log"),
        ({"sql": "SELECT 1"}, True, "the query of sql"),
        ({"format": "jdbc", "options": {"dbtable": "log"}}, True, "log"),
    ],
)
def test_files_are_read_here_and_the_rest_by_spark(settings: dict[str, Any], by_spark: bool, location: str) -> None:
    files = TableFiles.model_validate(settings)
    assert (files.by_spark, files.location) == (by_spark, location)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "must be given, or table or sql in its place"),
        ({"path": "a", "table": "b"}, "path and table are given"),
        ({"sql": "a", "table": "b"}, "table and sql are given"),
        ({"path": "s3a://a", "format": "auto"}, "whose format cannot be told"),
        ({"path": "a", "options": {"password": "hunter2"}}, "must hold no login"),
        ({"path": "a", "options": {"url": "jdbc:postgresql://me:hunter2@host/db"}}, "must hold no login"),
        ({"path": "a", "options": {"url": "jdbc:postgresql://host/db?password=hunter2"}}, "must hold no login"),
        ({"path": "a", "format": "no such thing"}, "format"),
    ],
)
def test_what_is_no_place_is_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        TableFiles.model_validate(settings)


def test_options_are_text_and_secret_ones_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_PASSWORD", "hunter2")
    files = TableFiles.model_validate(
        {"format": "jdbc", "options": {"url": "jdbc:x", "fetchsize": 5, "pushDown": True},
         "secret_options": {"password": "LAKE_PASSWORD"}}
    )  # fmt: skip
    assert files.reader_options() == {"url": "jdbc:x", "fetchsize": "5", "pushDown": "true", "password": "hunter2"}
    assert "hunter2" not in repr(files.model_dump())


@pytest.mark.parametrize("kind", ["table", "query"])
def test_table_and_query_are_words_for_a_log(kind: str) -> None:
    source = {"kind": kind, "sql": "SELECT 1", "documents": {"table": "a.b"}}
    content = {"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": source}
    assert Configuration.model_validate(content).source.kind == "log"


def test_partitions_are_of_tables() -> None:
    source = {"kind": "log", "path": "log", "partition": "dt", "documents": {"table": "a.b"}}
    content = {"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": source}
    with pytest.raises(ValidationError, match="is for tables and addresses"):
        Configuration.model_validate(content)
