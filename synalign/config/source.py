"""Settings of the source: a query log with documents, User Behavior Insights, a BEIR folder, or labelled texts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from synalign.config.clicks import Clicks
from synalign.config.closed import Closed
from synalign.config.location import FILE_FORMATS, PATH, Files, FilesFormat, TableFiles, is_address, known_time_format
from synalign.text.template import parse


def _template(fields: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if fields is not None:
        parse(fields)
    return fields


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
    position: str | None = Field(
        None, description="At which position the document was shown, from 1 (or from 0, if the log has a 0)."
    )
    impressions: str | None = Field(
        None,
        description="How often it was shown there; a row with clicks 0 then is one that was shown and not clicked.",
    )
    action: str | None = Field(None, description="What happened; see `source.clicks`. null: every row is a click.")
    dwell: str | None = Field(None, description="Seconds until the user came back from the document.")
    session_id: str | None = Field(None, description="Events of one user in one visit.")


class DocumentColumns(Closed):
    """Which column of the document table holds what; where Spark reads it, a column or any SQL expression."""

    document_id: str = Field("document_id", description="Id of the document, as the query log names it.")
    title: str | None = Field(
        "title", description="Its title; null, or no column of the name title: documents have none."
    )
    text: str = Field("text", description="Its text; not read where `fields` is set.")


class Documents(TableFiles):
    """The document collection."""

    path: Files | None = Field(None, validate_default=True, description=PATH, examples=["data/shop/documents.parquet"])
    fields: Annotated[str | tuple[str, ...] | None, AfterValidator(_template)] = Field(
        None,
        description="The text of a document, made of several columns: a template such as `{title}. {brand}, {price} "
        "EUR`, or a list of templates and columns, a line each. A missing value takes its punctuation with it. "
        "null: the column `text`.",
    )
    columns: DocumentColumns = DocumentColumns()


class UbiQueries(TableFiles):
    """The searches, as `ubi_queries` has them."""

    path: Files | None = Field(
        None, validate_default=True, examples=["ubi/queries"], description=f"The searches. {PATH}"
    )
    format: FilesFormat = "jsonl"


class LogSource(_EventFiles):
    """A query log and a document table."""

    kind: Literal["log"] = Field("log", description="What the source is; table and query say the same.")
    path: Files | None = Field(None, validate_default=True, description=PATH, examples=["data/shop/query_log.parquet"])
    columns: LogColumns = LogColumns()
    clicks: Clicks = Clicks()
    documents: Documents
    window_days: int = Field(28, ge=1, le=3650, description="Days of log used, up to the end of the interval.")
    unclicked: Literal["reject", "keep"] = Field(
        "reject",
        description="Rows without a document: reject them, or keep their query as real traffic without a pair.",
    )

    @model_validator(mode="after")
    def _clicks_have_columns(self) -> LogSource:
        columns, clicks = self.columns, self.clicks
        if clicks.model != "none" and columns.position is None:
            raise ValueError(f"clicks.model {clicks.model} needs columns.position")
        if clicks.model != "none" and columns.impressions is None and columns.action is None:
            raise ValueError(
                f"clicks.model {clicks.model} needs rows that say what was shown: columns.impressions or columns.action"
            )
        _require_visits(clicks, columns)
        told = columns.position and columns.session_id and (columns.impressions or columns.action)
        if clicks.min_skips is not None and not told:
            raise ValueError(
                "clicks.min_skips needs columns.position, columns.session_id, and columns.impressions or columns.action"
            )
        return self


class UbiColumns(Closed):
    """Which key of `ubi_events` and `ubi_queries` holds what, by version 1.3 of the schema."""

    query_id: str = Field("query_id", description="Of both: the search that an event belongs to.")
    event_time: str = Field("timestamp", description="Of both: when it happened; see time_format.")
    query: str = Field("user_query", description="Of queries: what the user typed.")
    hits: str | None = Field(
        "query_response_hit_ids", description="Of queries: the ids that the search returned, in their order."
    )
    action: str = Field("action_name", description="Of events: what happened; see `source.clicks`.")
    document_id: str = Field("event_attributes.object.object_id", description="Of events: the document.")
    position: str | None = Field(
        "event_attributes.position.ordinal",
        description="Of events: at which position; of documents among the hits, their place there counts.",
    )
    dwell: str | None = Field(
        None,
        description="Of events: seconds until the user came back from the document, such as an attribute of yours.",
    )
    session_id: str | None = Field("session_id", description="Of events: events of one user in one visit.")


class UbiSource(_EventFiles):
    """User Behavior Insights of OpenSearch or Elasticsearch: `ubi_events` and `ubi_queries`, joined by `query_id`."""

    kind: Literal["ubi"] = Field("ubi", description="What the source is.")
    path: Files | None = Field(None, validate_default=True, examples=["ubi/events"], description=f"The events. {PATH}")
    format: FilesFormat = "jsonl"
    columns: UbiColumns = UbiColumns()
    queries: UbiQueries
    clicks: Clicks = Clicks()
    documents: Documents
    window_days: int = Field(28, ge=1, le=3650, description="Days used, up to the end of the interval.")
    unclicked: Literal["reject", "keep"] = Field(
        "reject",
        description="Searches without a click: reject them, or keep their query as real traffic without a pair.",
    )

    @model_validator(mode="after")
    def _clicks_have_columns(self) -> UbiSource:
        if self.clicks.model != "none" and self.columns.hits is None and self.columns.position is None:
            raise ValueError(f"clicks.model {self.clicks.model} needs columns.hits or columns.position")
        _require_visits(self.clicks, self.columns)
        if self.clicks.min_skips is not None and self.columns.hits is None and self.columns.position is None:
            raise ValueError("clicks.min_skips needs columns.hits or columns.position")
        return self


def _require_visits(clicks: Clicks, columns: LogColumns | UbiColumns) -> None:
    if clicks.min_dwell_seconds and columns.dwell is None:
        raise ValueError("clicks.min_dwell_seconds needs columns.dwell")
    if clicks.reformulation_seconds and columns.session_id is None:
        raise ValueError("clicks.reformulation_seconds needs columns.session_id")


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


Source = LogSource | UbiSource | BeirSource | LabelledSource
