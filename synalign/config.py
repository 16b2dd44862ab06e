"""The configuration of one retriever: one YAML file, closed, bounded and described.

What a setting *is* decides where it goes. Settings that define the data (`source`, `sampling`, ...) are part of
the fingerprint of the steps that read them (`synalign.flow`), so changing one makes those steps run again. Settings
that only decide how fast or where the work runs are in `runtime`, and change no fingerprint; `RUNTIME_REASONS` says
why for each. Secrets are never here: they come from the environment (or an Airflow connection).

This module is imported by DAG files, so it imports nothing heavier than pydantic.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

Format = Literal["parquet", "csv", "jsonl"]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Task = Literal["retrieval", "classification"]
Scheme = Literal["filtered", "equal_mass", "aligned"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]

MOST_TEXTS_PER_LABEL = 64
"""Texts asked for in one request of `task: classification`; more in one answer would repeat each other."""

RUNTIME_REASONS = {
    "concurrency": "how many requests are in flight; answers are put in order of the requests",
    "attempts": "how often a failed request is repeated; only good answers are kept",
    "timeout_seconds": "how long to wait for an answer",
    "requests_per_minute": "how fast requests are sent; answers are put in order of the requests",
    "tokens_per_minute": "the same, by the tokens of requests and answers",
    "max_failure_rate": "when a failing run is given up; a run that is given up writes nothing",
    "journal": "where good answers are kept meanwhile; they are the same anywhere",
    "torch_threads": "driver-side threads of alignment and evaluation",
    "embedding_cache": "a text's vector depends on nothing but the text, the model and the precision, to the last bit",
}

SECRET = "secret"
"""Type of the error for a value that is not to be shown again."""

# What a notifier's argument must not be called, or hold.
_SECRET = re.compile(r"passw|secret|token|api_?key|credential|webhook", re.IGNORECASE)
_CREDENTIALS = re.compile(r"://[^/\s:@]+:[^/\s@]+@|hooks\.slack\.com/services/")


class _Closed(BaseModel):
    """A model that knows all its keys and cannot be changed after it was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Schedule(_Closed):
    """When the refresh runs, and over which data interval."""

    cron: str = Field("0 3 * * *", description="Cron expression; each run covers the interval between two ticks.")
    start: date = Field(description="First day of the first data interval (UTC).", examples=["2026-01-01"])
    catchup: bool = Field(False, description="Whether intervals missed in the past are run as well.")

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        if len(cron.split()) != 5:
            raise ValueError("must have five fields: minute hour day-of-month month day-of-week")
        return cron


class LogColumns(_Closed):
    """Which column of the query log holds what."""

    event_time: str = Field("event_time", description="When the event happened: a timestamp, or ISO 8601 text.")
    query: str = Field("query", description="What the user typed.")
    document_id: str = Field("document_id", description="The document the user chose.")
    clicks: str | None = Field(None, description="How many events the row stands for; null: one.")
    label: str | None = Field(None, description="A label of the query, carried along; null: none.")


class DocumentColumns(_Closed):
    """Which column of the document table holds what."""

    document_id: str = Field("document_id", description="Id of the document, as the query log names it.")
    title: str | None = Field("title", description="Its title; null: documents have none.")
    text: str = Field("text", description="Its text.")


class Documents(_Closed):
    """The document collection."""

    path: str = Field(
        min_length=1,
        description="File or folder; relative paths start at $SYNALIGN_HOME.",
        examples=["data/shop/documents.parquet"],
    )
    format: Format = Field("parquet", description="Of the file, or of the files read in the folder.")
    columns: DocumentColumns = DocumentColumns()


class LogSource(_Closed):
    """A query log and a document table."""

    kind: Literal["log"] = Field("log", description="What the source is.")
    path: str = Field(
        min_length=1,
        description="File or folder; relative paths start at $SYNALIGN_HOME.",
        examples=["data/shop/query_log.parquet"],
    )
    format: Format = Field("parquet", description="Of the file, or of the files read in the folder.")
    columns: LogColumns = LogColumns()
    documents: Documents
    window_days: int = Field(28, ge=1, le=3650, description="Days of log used, up to the end of the interval.")
    unclicked: Literal["reject", "keep"] = Field(
        "reject",
        description="Rows without a document: reject them, or keep their query as real traffic without a pair.",
    )


class BeirSource(_Closed):
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


class LabelledColumns(_Closed):
    """Which column of the labelled texts holds what."""

    text: str = Field("text", description="The text.")
    label: str = Field("label", description="Its label; a text with several labels takes a row for each.")
    event_time: str | None = Field(None, description="When it was seen; null: all are used, whatever the interval.")


class LabelledSource(_Closed):
    """Texts with labels, for `task: classification`: a label is a document, a labelled text a query that finds it."""

    kind: Literal["labelled"] = Field("labelled", description="What the source is.")
    path: str = Field(
        min_length=1,
        description="File or folder; relative paths start at $SYNALIGN_HOME.",
        examples=["data/intents/train.csv"],
    )
    format: Format = Field("csv", description="Of the file, or of the files read in the folder.")
    columns: LabelledColumns = LabelledColumns()
    window_days: int = Field(
        28, ge=1, le=3650, description="Days used, up to the end of the interval, where there is an event_time."
    )


Source = LogSource | BeirSource | LabelledSource


class Ingest(_Closed):
    """How a log becomes queries, documents and pairs."""

    max_query_characters: int = Field(300, ge=1, le=10_000, description="Longer queries are rejected.")
    validation_fraction: Fraction = Field(0.1, description="Share of queries that choose, by hash of the query.")
    test_fraction: Fraction = Field(
        0.2, description="Share of queries that only report; both shares together at most 0.9."
    )
    split_salt: str = Field("synalign", description="Changing it draws another split.")

    @model_validator(mode="after")
    def _leaves_train(self) -> Ingest:
        if self.validation_fraction + self.test_fraction > 0.9:
            raise ValueError("validation_fraction + test_fraction must be <= 0.9, or nothing is left to train on")
        return self


class Encoder(_Closed):
    """The sentence-transformers model that places queries and documents on the unit sphere."""

    model: str = Field(
        "all-MiniLM-L6-v2", description="`all-MiniLM-L6-v2` (the copy in the environment) or a model folder."
    )
    max_tokens: int = Field(256, ge=8, le=8192, description="Longer texts are cut.")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="Of the weights. `auto`: bfloat16 where the CPU has instructions for it (AMX, AVX-512 BF16), "
        "float32 elsewhere, so two kinds of machine give slightly different vectors; name one where that matters. "
        "Models that the fast loop does not fit run in float32.",
    )


class Sampling(_Closed):
    """Exploration-aware sampling of demonstrations."""

    batches: int = Field(24, ge=1, le=100_000, description="Batches of demonstrations, each two model requests.")
    neighbours: int = Field(7, ge=0, le=63, description="Queries in a batch beside its anchor.")
    breadth: int = Field(
        16, ge=0, le=1024, description="Members are picked among this many nearest queries; at least neighbours."
    )
    criterion: Literal["coverage", "variance"] = Field("coverage", description="`variance` is the paper's.")
    noise: float = Field(1e-2, gt=0.0, le=10.0, description="Observation variance of the Gaussian process.")
    length_scale: float | None = Field(None, gt=0.0, le=10.0, description="null: a multiple of the median distance.")
    label_balance: Literal["proportional", "equal"] = Field(
        "proportional", description="Classification only: batches per label by traffic, or the same for every label."
    )
    memory: int = Field(7, ge=0, le=365, description="How many earlier intervals' demonstrations count as shown.")

    @model_validator(mode="after")
    def _breadth_holds_neighbours(self) -> Sampling:
        if self.breadth < self.neighbours:
            raise ValueError("breadth must be >= neighbours")
        return self


class Budget(_Closed):
    """What the language model costs, and how much of that may be spent in one refresh.

    A ceiling decides what is written: a run that reaches it ends well with what it has. Raising it asks only for the
    rest.
    """

    input_price: float = Field(0.0, ge=0.0, description="Money per million tokens sent.")
    output_price: float = Field(0.0, ge=0.0, description="Money per million tokens received.")
    batch_discount: float = Field(0.5, ge=0.0, le=1.0, description="Share of both prices that `mode: batch` saves.")
    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="Of the prices and the ceiling.")
    max_money: float | None = Field(
        None, gt=0.0, description="Ceiling in money, never passed; it needs prices. null: none."
    )
    max_tokens: int | None = Field(None, ge=1, description="Ceiling in tokens, both ways. null: none.")

    @model_validator(mode="after")
    def _money_needs_prices(self) -> Budget:
        if self.max_money is not None and not (self.input_price or self.output_price):
            raise ValueError("max_money needs input_price or output_price, or nothing would ever count")
        return self


PersonalData = Literal["email", "phone", "card", "ip", "digits", "name"]


class Generation(_Closed):
    """What is asked of the language model."""

    mode: Literal["online", "batch"] = Field(
        "online", description="Request by request, or through the provider's batch API: cheaper, done within a day."
    )

    endpoint: str = Field(
        "embedded",
        description="Base URL of an OpenAI-compatible endpoint, or `embedded` for the writer that ships here.",
        pattern=r"^(embedded|https?://\S+)$",
    )
    model: str = Field("synalign-embedded-writer", min_length=1, description="The model's name at the endpoint.")
    api_key_variable: str = Field(
        "OPENAI_API_KEY", pattern=r"^[A-Z][A-Z0-9_]*$", description="Environment variable that holds the key."
    )
    prompts: dict[Literal["reason", "write"], str] = Field(
        {}, description="Template files that replace SynAlign's own; relative paths start at the YAML file's folder."
    )
    redact: tuple[PersonalData, ...] = Field(
        ("email", "phone", "card", "ip", "digits", "name"),
        description="Personal data replaced before any prompt; `name` only where a recogniser is installed.",
    )
    phone_regions: tuple[str, ...] = Field(
        ("US", "GB", "DE", "IN"), description="ISO 3166 countries whose national phone numbers are recognised."
    )
    targets: Literal["cold", "demonstrated", "mixed"] = Field(
        "cold",
        description="Documents to write for: near the batch with few events, those of the batch, or half and half.",
    )
    documents_per_batch: int = Field(12, ge=1, le=64, description="Documents written for in one request.")
    queries_per_document: int = Field(4, ge=1, le=32, description="Queries asked for per document.")
    document_characters: int = Field(1200, ge=100, le=100_000, description="How much of a document is shown.")
    temperature: float = Field(0.7, ge=0.0, le=2.0, description="How freely the model writes; 0: as likely as can be.")
    max_output_tokens: int = Field(
        4096, ge=64, le=1_000_000, description="Most tokens of one answer; one that is cut off there is lost, but paid."
    )
    budget: Budget = Budget()


class Screening(_Closed):
    """Which candidates are kept."""

    near_duplicate_cosine: float = Field(0.95, gt=0.0, le=1.0, description="At or above it two queries are the same.")
    round_trip_depth: int = Field(
        10,
        ge=1,
        le=1000,
        description="The document must be in the top this many. Of labels at most one in 25 counts: the top 3 of 77.",
    )
    copied_words: int = Field(
        10,
        ge=2,
        le=1000,
        description="A query that shares this many words in a row with its document is a copy. At 10, 3 in 2,000 real "
        "CLAP NQ queries would be (names of songs and laws), and 3 % of questions GPT-4 wrote for given passages.",
    )
    personal_data: bool = Field(True, description="Whether queries that hold personal data are rejected.")


class Alignment(_Closed):
    """The convex problem that gives the weights."""

    scheme: Scheme = Field("aligned", description="Weights of the training set where no validation query can choose.")
    ridge: float = Field(
        3e-4, ge=0.0, le=1e3, description="Price of uneven weights: more of it, a larger effective sample."
    )
    coverage: float = Field(
        1e-2,
        ge=0.0,
        le=1e3,
        description="Price of uneven mass per document, so that none loses its queries. With ridge and coverage 0 the "
        "weights are the paper's.",
    )
    tolerance: float = Field(1e-6, gt=0.0, le=1e-1, description="Duality gap to stop at, relative to the objective.")
    mass: float = Field(2.0, gt=0.0, le=100.0, description="Total weight of synthetic rows over that of real rows.")


class Gate(_Closed):
    """How much worse than real pairs alone a retriever may be, before its training set is kept from `current`."""

    max_loss: float = Field(0.005, ge=0.0, lt=1.0, description="Of nDCG@10 on test queries, relative to the control.")
    confidence: float = Field(0.95, gt=0.5, lt=1.0, description="Of the interval that decides.")
    evidence: Literal["of_harm", "of_safety"] = Field(
        "of_harm",
        description="`of_harm` fails a set shown to lose more than max_loss; `of_safety` fails every set not shown to "
        "lose less, which takes thousands of test queries.",
    )


class Evaluation(_Closed):
    """Training retrievers on real pairs and on the training set, to choose its weights and to expose harm."""

    retriever: Literal["none", "adapter", "static", "full"] = Field(
        "adapter",
        description="What is trained: a linear map on the queries' vectors (seconds), averaged token vectors (a weak "
        "retriever, on which effects show), the whole encoder (minutes to hours), or nothing.",
    )
    seeds: int = Field(3, ge=1, le=20, description="Trainings per arm.")
    steps: int = Field(100, ge=1, le=1_000_000, description="Batches per training, the same in every arm.")
    batch_size: int = Field(96, ge=2, le=4096, description="Pairs in a batch; each is a negative of the others.")
    learning_rate: float | None = Field(None, gt=0.0, lt=1.0, description="null: what suits the kind of retriever.")
    gate: Gate | None = Field(Gate(), description="null: no training set is held back for what it does to a retriever.")


class Experiment(_Closed):
    """Where the logs of an online A/B test are; the test itself is a plan of its own (`synalign experiment start`)."""

    exposures: str = Field(
        min_length=1,
        description="Folder of Parquet files: unit_id, arm, exposed_at, plan_digest.",
        examples=["data/shop/exposures"],
    )
    outcomes: str = Field(
        min_length=1,
        description="Folder of Parquet files: unit_id, metric columns, at.",
        examples=["data/shop/outcomes"],
    )
    cron: str = Field("0 6 * * *", description="When the day before is read out.")
    approval_hours: float = Field(24.0, gt=0.0, le=720.0, description="How long a person has to approve `ship`.")


class Checks(_Closed):
    """What a version must pass before the alias `current` moves to it."""

    max_mmd_ratio: float = Field(
        1.0, gt=0.0, description="Held-out squared MMD after over before must be at most this."
    )
    min_effective_share: float = Field(0.1, ge=0.0, le=1.0, description="Effective sample size over accepted rows.")
    min_synthetic_rows: int = Field(1, ge=0, description="Written queries that the training set must hold.")


class Notifier(_Closed):
    """Someone to tell, by any notifier that Airflow's providers bring."""

    notifier: str = Field(
        pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$",
        description="Class of the notifier, such as `airflow.providers.smtp.notifications.smtp.SmtpNotifier`.",
        examples=["airflow.providers.smtp.notifications.smtp.SmtpNotifier"],
    )
    arguments: dict[str, JsonValue] = Field(
        {},
        description="What the notifier is made with. Texts may use `{{ alert.subject }}`, `{{ alert.text }}`, "
        "`{{ alert.html }}` and `{{ alert.url }}`. Secrets belong into an Airflow connection: give its id.",
    )

    @field_validator("arguments")
    @classmethod
    def _no_secrets(cls, arguments: dict[str, JsonValue]) -> dict[str, JsonValue]:
        # The file is read by many, and logged with every run.
        secret = [name for name in arguments if _SECRET.search(name) and not name.endswith("_conn_id")]
        if secret or any(_CREDENTIALS.search(str(value)) for value in arguments.values()):
            raise PydanticCustomError(SECRET, "must hold no secret: it belongs into an Airflow connection")
        return arguments


class Alerts(_Closed):
    """Whom Airflow tells that a refresh failed or is late."""

    deadline_hours: float | None = Field(
        24.0, gt=0.0, le=720.0, description="Hours after which an unfinished refresh is late. null: never."
    )
    notifiers: tuple[Notifier, ...] = Field((), description="Whom to tell. None: Airflow's own pages show both.")


class Runtime(_Closed):
    """How fast and where the work runs; nothing here changes a result."""

    concurrency: int = Field(32, ge=1, le=1024, description="Most model requests in flight; fewer if that is enough.")
    attempts: int = Field(4, ge=1, le=20, description="Tries per model request.")
    requests_per_minute: int | None = Field(
        None, ge=1, description="Most requests a minute. null: as many as the endpoint's headers and refusals allow."
    )
    tokens_per_minute: int | None = Field(None, ge=1, description="Most tokens a minute. null: likewise.")
    max_failure_rate: float = Field(
        0.5, gt=0.0, le=1.0, description="Share of recent tries that may fail before the run is given up."
    )
    journal: str | None = Field(
        None, description="Folder or `s3://bucket/prefix` of the response journal. null: in the run's folder."
    )
    timeout_seconds: float = Field(120.0, gt=0.0, le=3600.0, description="Longest wait for one answer.")
    torch_threads: int = Field(1, ge=1, le=256, description="Threads of alignment and evaluation.")
    embedding_cache: bool = Field(True, description="Keep vectors beside the runs, and embed only texts not seen yet.")


class Configuration(_Closed):
    """Everything that defines the refresh of one retriever."""

    retriever: Name = Field(description="Names the run folder, the DAG and the registered model.", examples=["shop"])
    description: str = Field("", description="What it retrieves, in a sentence; Airflow and MLflow show it.")
    owner: str = Field("search", description="The team that Airflow shows as the owner of its DAGs.")
    task: Task = Field("retrieval", description="Write queries for documents, or texts for labels.")
    schedule: Schedule
    source: Source = Field(discriminator="kind")
    ingest: Ingest = Ingest()
    encoder: Encoder = Encoder()
    sampling: Sampling = Sampling()
    generation: Generation = Generation()
    screening: Screening = Screening()
    alignment: Alignment = Alignment()
    evaluation: Evaluation = Evaluation()
    checks: Checks = Checks()
    experiment: Experiment | None = Field(None, description="null: no DAG reads experiments.")
    alerts: Alerts = Alerts()
    runtime: Runtime = Runtime()
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of everything random.")

    @field_validator("source")
    @classmethod
    def _source_fits_task(cls, source: Source, known: ValidationInfo) -> Source:
        task = known.data.get("task")
        if task is not None and (task == "classification") != (source.kind == "labelled"):
            raise ValueError(
                f"kind must be labelled for task classification, log or beir for task retrieval, is {source.kind} "
                f"for {task}"
            )
        return source

    @field_validator("sampling")
    @classmethod
    def _balance_needs_labels(cls, sampling: Sampling, known: ValidationInfo) -> Sampling:
        if sampling.label_balance == "equal" and known.data.get("task") == "retrieval":
            raise ValueError("label_balance equal is for task classification; queries for documents have no labels")
        return sampling

    # Texts of the files under `generation.prompts`, read with the YAML file: one wording for the whole of a run.
    _templates: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def templates(self) -> Mapping[str, str]:
        """Texts of the retriever's own prompt templates by kind of request; see `synalign.generation.templates`."""
        return self._templates

    def with_templates(self, texts: Mapping[str, str]) -> Configuration:
        """The same configuration with the texts of its own prompt templates."""
        copy = self.model_copy()
        copy._templates = dict(texts)
        return copy

    @property
    def queries_per_target(self) -> int:
        """Queries asked for per document; for a label, which is a batch's only one, as many as for all documents."""
        settings = self.generation
        if self.task == "retrieval":
            return settings.queries_per_document
        return min(settings.documents_per_batch * settings.queries_per_document, MOST_TEXTS_PER_LABEL)


def home() -> Path:
    """The folder that holds runs, demo data and the embedded servers' state: `$SYNALIGN_HOME`, or `.synalign`."""
    return Path(os.environ.get("SYNALIGN_HOME", ".synalign")).expanduser().resolve()


def resolve(path: str) -> Path:
    """A path from a configuration: absolute as it is, relative from `home()`."""
    return home() / Path(path).expanduser()
