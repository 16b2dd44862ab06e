"""Settings of the source: a query log with documents, User Behavior Insights, a BEIR folder, or labelled texts."""

from __future__ import annotations

import codecs
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from synalign.config.clicks import Clicks
from synalign.config.closed import Closed
from synalign.text.template import parse

Format = Literal["parquet", "csv", "jsonl", "auto"]
"""Kinds of files that tables are read from."""

EPOCHS = ("epoch_seconds", "epoch_milliseconds", "epoch_microseconds", "epoch_nanoseconds")
"""Names of the time formats that are a number since 1970."""

DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
"""Delimiters by the names that settings and messages give them."""

_NAMES = {"\\t": "tab", **{character: name for name, character in DELIMITERS.items()}}


def _named(delimiter: Any) -> Any:
    # Before white space is taken off: a tab is a delimiter.
    return _NAMES.get(delimiter, delimiter) if isinstance(delimiter, str) else delimiter


def _one_character(delimiter: str) -> str:
    if len(delimiter) != 1 and delimiter not in ("auto", *DELIMITERS):
        raise ValueError(f"must be auto, {', '.join(DELIMITERS)} or one character")
    return delimiter


def _known_encoding(encoding: str) -> str:
    try:
        if encoding != "auto":
            " ".encode(encoding)
            codecs.lookup(encoding)
    except (LookupError, TypeError) as error:
        raise ValueError("must be auto or an encoding that Python knows, such as utf-8, utf-16 or latin-1") from error
    return encoding


def _known_time_format(pattern: str) -> str:
    if pattern in ("auto", "iso", *EPOCHS):
        return pattern
    moment = datetime(2026, 12, 31, 22, 58, 59, tzinfo=UTC)
    try:
        usable = "%" in pattern and datetime.strptime(moment.strftime(pattern), pattern).year == moment.year
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            f"must be auto, iso, {', '.join(EPOCHS)} or a strptime pattern with year, month and day, such as "
            "%d/%b/%Y:%H:%M:%S"
        )
    return pattern


def _template(fields: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
    if fields is not None:
        parse(fields)
    return fields


Files = Annotated[str, Field(min_length=1, description="File or folder; relative paths start at $SYNALIGN_HOME.")]
FilesFormat = Annotated[Format, Field(description="Of the file, or of the files read in the folder; auto: by ending.")]


class TableFiles(Closed):
    """The files of one table and how they are written; every section that reads files has these settings."""

    path: Files
    format: FilesFormat = "parquet"
    delimiter: Annotated[str, BeforeValidator(_named), AfterValidator(_one_character)] = Field(
        "auto", description="Of CSV: auto, comma, tab, semicolon, pipe, space, or one character."
    )
    quote: Literal["auto", '"', "'", "none"] = Field(
        "auto",
        description="Of CSV: what encloses fields that hold the delimiter; none: quotes are text, as in most TSV.",
    )
    encoding: Annotated[str, AfterValidator(_known_encoding)] = Field(
        "auto", description="Of CSV and JSONL: auto, or any that Python knows."
    )
    header: bool | tuple[str, ...] = Field(
        True, description="Of CSV: whether the first line has the names; a list: the names, where files have none."
    )
    compression: Literal["auto", "none", "gzip", "bzip2", "zstd", "xz"] = Field(
        "auto", description="Of CSV and JSONL; auto: by first bytes."
    )


class _Kind(Closed):
    kind: str = Field(description="What the source is.")


class _EventFiles(TableFiles, _Kind):
    """Files whose rows may have times. The first setting is `kind`: the fields of the last base come first."""

    time_format: Annotated[str, AfterValidator(_known_time_format)] = Field(
        "auto",
        description="Of times as text or numbers: auto, iso, epoch_seconds (milli-, micro-, nano-), or a strptime "
        "pattern; without a zone they are UTC.",
    )


class LogColumns(Closed):
    """Which column of the query log holds what; `a.b` is the key `b` within `a`, or a folder's `dt=...`."""

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
    """Which column of the document table holds what."""

    document_id: str = Field("document_id", description="Id of the document, as the query log names it.")
    title: str | None = Field(
        "title", description="Its title; null, or no column of the name title: documents have none."
    )
    text: str = Field("text", description="Its text; not read where `fields` is set.")


class Documents(TableFiles):
    """The document collection."""

    path: Files = Field(examples=["data/shop/documents.parquet"])
    fields: Annotated[str | tuple[str, ...] | None, AfterValidator(_template)] = Field(
        None,
        description="The text of a document, made of several columns: a template such as `{title}. {brand}, {price} "
        "EUR`, or a list of templates and columns, a line each. A missing value takes its punctuation with it. "
        "null: the column `text`.",
    )
    columns: DocumentColumns = DocumentColumns()


class UbiQueries(TableFiles):
    """The searches, as `ubi_queries` has them."""

    path: Files = Field(examples=["ubi/queries"])
    format: FilesFormat = "jsonl"


class LogSource(_EventFiles):
    """A query log and a document table."""

    kind: Literal["log"] = Field("log", description="What the source is.")
    path: Files = Field(examples=["data/shop/query_log.parquet"])
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
        if clicks.min_dwell_seconds and columns.dwell is None:
            raise ValueError("clicks.min_dwell_seconds needs columns.dwell")
        if clicks.reformulation_seconds and columns.session_id is None:
            raise ValueError("clicks.reformulation_seconds needs columns.session_id")
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
    path: Files = Field(
        examples=["ubi/events"], description="The events: a file or folder, relative to $SYNALIGN_HOME."
    )
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
        if self.clicks.min_dwell_seconds and self.columns.dwell is None:
            raise ValueError("clicks.min_dwell_seconds needs columns.dwell")
        if self.clicks.reformulation_seconds and self.columns.session_id is None:
            raise ValueError("clicks.reformulation_seconds needs columns.session_id")
        if self.clicks.min_skips is not None and self.columns.hits is None and self.columns.position is None:
            raise ValueError("clicks.min_skips needs columns.hits or columns.position")
        return self


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
    path: Files = Field(examples=["data/intents/train.csv"])
    format: FilesFormat = "csv"
    columns: LabelledColumns = LabelledColumns()
    window_days: int = Field(
        28, ge=1, le=3650, description="Days used, up to the end of the interval, where there is an event_time."
    )


Source = LogSource | UbiSource | BeirSource | LabelledSource
