"""Settings of speed and place, which change no result, each with the reason why."""

from __future__ import annotations

from pydantic import Field

from synalign.config.closed import Address, Closed

RUNTIME_REASONS = {
    "concurrency": "how many requests are in flight; answers are put in order of the requests",
    "attempts": "how often a failed request is repeated; only good answers are kept",
    "timeout_seconds": "how long to wait for an answer",
    "requests_per_minute": "how fast requests are sent; answers are put in order of the requests",
    "tokens_per_minute": "the same, by the tokens of requests and answers",
    "max_failure_rate": "when a failing run is given up; a run that is given up writes nothing",
    "journal": "where good answers are kept meanwhile; they are the same anywhere",
    "trace_share": "how many requests people can read afterwards; nothing is made of the table `traces`",
    "torch_threads": "driver-side threads of alignment and evaluation",
    "driver_memory_gib": "decides whether a step may start, never what it makes",
    "embedding_cache": "a text's vector depends on nothing but the text, the model and the precision, to the last bit",
}


class Runtime(Closed):
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
    journal: Address | None = Field(
        None,
        description="Folder or `s3://bucket/prefix` (also `gs://`, `az://`, `abfss://`) of the response journal. "
        "null: in the run's folder.",
    )
    timeout_seconds: float = Field(120.0, gt=0.0, le=3600.0, description="Longest wait for one answer.")
    trace_share: float = Field(
        0.01, ge=0.0, le=1.0,
        description="Share of the requests to the writer that people can read, redacted, as traces in MLflow. 0: none.",
    )  # fmt: skip
    torch_threads: int = Field(1, ge=1, le=256, description="Threads of alignment and evaluation.")
    driver_memory_gib: float | None = Field(
        None, gt=0.0, le=4096.0,
        description="Most memory that one table may take on the driver, in GiB; larger ones are refused before any "
        "work. null: half of the machine's (or container's).",
    )  # fmt: skip
    embedding_cache: bool = Field(True, description="Keep vectors beside the runs, and embed only texts not seen yet.")
