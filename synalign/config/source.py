"""What a retriever learns from: a query log with documents, a BEIR folder, or labelled texts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from synalign.config.closed import Closed, Format

Files = Annotated[str, Field(min_length=1, description="File or folder; relative paths start at $SYNALIGN_HOME.")]
FilesFormat = Annotated[Format, Field(description="Of the file, or of the files read in the folder.")]


class LogColumns(Closed):
    """Which column of the query log holds what."""

    event_time: str = Field("event_time", description="When the event happened: a timestamp, or ISO 8601 text.")
    query: str = Field("query", description="What the user typed.")
    document_id: str = Field("document_id", description="The document the user chose.")
    clicks: str | None = Field(None, description="How many events the row stands for; null: one.")
    label: str | None = Field(None, description="A label of the query, carried along; null: none.")


class DocumentColumns(Closed):
    """Which column of the document table holds what."""

    document_id: str = Field("document_id", description="Id of the document, as the query log names it.")
    title: str | None = Field("title", description="Its title; null: documents have none.")
    text: str = Field("text", description="Its text.")


class Documents(Closed):
    """The document collection."""

    path: Files = Field(examples=["data/shop/documents.parquet"])
    format: FilesFormat = "parquet"
    columns: DocumentColumns = DocumentColumns()


class LogSource(Closed):
    """A query log and a document table."""

    kind: Literal["log"] = Field("log", description="What the source is.")
    path: Files = Field(examples=["data/shop/query_log.parquet"])
    format: FilesFormat = "parquet"
    columns: LogColumns = LogColumns()
    documents: Documents
    window_days: int = Field(28, ge=1, le=3650, description="Days of log used, up to the end of the interval.")
    unclicked: Literal["reject", "keep"] = Field(
        "reject",
        description="Rows without a document: reject them, or keep their query as real traffic without a pair.",
    )


class BeirSource(Closed):
    """A BEIR folder: `corpus.jsonl`, `queries.jsonl`, `qrels/*.tsv` and, if there, `unlabelled_queries.jsonl`.

    It has no times: every judgement counts as one event at the start of the interval.
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


class LabelledSource(Closed):
    """Texts with labels, for `task: classification`: a label is a document, a labelled text a query that finds it."""

    kind: Literal["labelled"] = Field("labelled", description="What the source is.")
    path: Files = Field(examples=["data/intents/train.csv"])
    format: FilesFormat = "csv"
    columns: LabelledColumns = LabelledColumns()
    window_days: int = Field(
        28, ge=1, le=3650, description="Days used, up to the end of the interval, where there is an event_time."
    )


Source = LogSource | BeirSource | LabelledSource
