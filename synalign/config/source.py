"""Settings of the source: a query log with documents, a BEIR folder, or labelled texts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from synalign.config.closed import Closed
from synalign.config.location import FILE_FORMATS, PATH, Files, FilesFormat, TableFiles, is_address, known_time_format


class _Kind(Closed):
    kind: str = Field(description="What the source is.")


class _EventFiles(TableFiles, _Kind):
    """Files whose rows may have times. The first setting is `kind`: the fields of the last base come first."""

    time_format: Annotated[str, AfterValidator(known_time_format)] = Field(
        "auto",
        description="Of times as text or numbers: auto, iso, epoch_seconds (milli-, micro-, nano-), or a strptime "
        "pattern; without a zone they are UTC.",
    )
    partition: str | None = Field(
        None,
        min_length=1,
        description="Of a table that Spark reads: the column or SQL expression that tells a partition's day, such as "
        "dt or to_date(dt, 'yyyyMMdd'). Partitions from a day before the window to a day after it are read; null: all.",
    )

    @field_validator("partition")
    @classmethod
    def _read_by_spark(cls, partition: str | None, known: ValidationInfo) -> str | None:
        files = known.data.get("path") and known.data.get("format") in FILE_FORMATS
        if partition and (known.data.get("sql") or (files and not is_address(known.data["path"]))):
            raise ValueError("is for tables and addresses; a query of sql says by itself which partitions it reads")
        return partition


class LogColumns(Closed):
    """Which column of the query log holds what; `a.b` is the key `b` within `a`, or a folder's `dt=...`.

    Where Spark reads the table, each is a column or any SQL expression.
    """

    event_time: str = Field("event_time", description="When the event happened; see time_format.")
    query: str = Field("query", description="What the user typed.")
    document_id: str = Field("document_id", description="The document the user chose.")
    clicks: str | None = Field(None, description="How many events the row stands for; null: one.")
    label: str | None = Field(None, description="A label of the query, carried along; null: none.")


class DocumentColumns(Closed):
    """Which column of the document table holds what; where Spark reads it, a column or any SQL expression."""

    document_id: str = Field("document_id", description="Id of the document, as the query log names it.")
    title: str | None = Field(
        "title", description="Its title; null, or no column of the name title: documents have none."
    )
    text: str = Field("text", description="Its text.")


class Documents(TableFiles):
    """The document collection."""

    path: Files | None = Field(None, validate_default=True, description=PATH, examples=["data/shop/documents.parquet"])
    columns: DocumentColumns = DocumentColumns()


class LogSource(_EventFiles):
    """A query log and a document table."""

    kind: Literal["log"] = Field("log", description="What the source is; table and query say the same.")
    path: Files | None = Field(None, validate_default=True, description=PATH, examples=["data/shop/query_log.parquet"])
    columns: LogColumns = LogColumns()
    documents: Documents
    window_days: int = Field(28, ge=1, le=3650, description="Days of log used, up to the end of the interval.")
    unclicked: Literal["reject", "keep"] = Field(
        "reject",
        description="Rows without a document: reject them, or keep their query as real traffic without a pair.",
    )


class BeirSource(Closed):
    """A BEIR folder: `corpus.jsonl`, `queries.jsonl`, `qrels/*.tsv` and, if there, `unlabelled_queries.jsonl`.

    It has no times: every judgement counts as one event at the start of the interval. MS MARCO's `collection.tsv`,
    `queries.train.tsv` and `qrels/qrels.train.tsv` will do as well.
    """

    kind: Literal["beir"] = Field("beir", description="What the source is.")
    path: str = Field(
        min_length=1, description="The folder; relative paths start at $SYNALIGN_HOME.", examples=["data/scifact"]
    )
    qrels: tuple[str, ...] = Field(
        (),
        description="Files under `qrels/` whose judgements are used; none given: `train.tsv` if there, else all.",
    )


class LabelledColumns(Closed):
    """Which column of the labelled texts holds what."""

    text: str = Field("text", description="The text.")
    label: str = Field("label", description="Its label; a text with several labels takes a row for each.")
    event_time: str | None = Field(None, description="When it was seen; null: all are used, whatever the interval.")


class LabelledSource(_EventFiles):
    """Texts with labels, for `task: classification`: a label is a document, a labelled text a query that finds it."""

    kind: Literal["labelled"] = Field("labelled", description="What the source is.")
    path: Files | None = Field(None, validate_default=True, description=PATH, examples=["data/intents/train.csv"])
    format: FilesFormat = "csv"
    columns: LabelledColumns = LabelledColumns()
    window_days: int = Field(
        28, ge=1, le=3650, description="Days used, up to the end of the interval, where there is an event_time."
    )


Source = LogSource | BeirSource | LabelledSource
