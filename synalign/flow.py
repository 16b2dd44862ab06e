"""The flow: which step reads and writes which tables, and which settings define what it writes.

This is the one place that knows the order. The DAG is drawn from it, a run folder checks and reuses steps by it,
and a step's own code knows only its tables. Imported by DAG files: nothing heavy here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from synalign.errors import RunError


class Step(NamedTuple):
    """One box of the flow.

    Attributes:
        name: Names the step's folder and its task.
        job: The file under `jobs/` that does it.
        engine: `spark` is started by spark-submit, `driver` by python.
        reads: Tables it reads, each written by an earlier step.
        writes: Tables it writes.
        settings: Keys of the configuration that define what it writes; with the digests of what it reads they make
            its fingerprint.
        purpose: One sentence for people.
        after: Steps it waits for though it reads no table of theirs.
    """

    name: str
    job: str
    engine: Literal["spark", "driver"]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    settings: tuple[str, ...]
    purpose: str
    after: tuple[str, ...] = ()


STEPS = (
    Step(
        "ingest", "ingest", "spark",
        (), ("queries", "documents", "pairs", "rejected"),
        ("source", "ingest"),
        "Reads the query log and the documents, cleans, counts and splits them.",
    ),
    Step(
        "embed", "embed", "spark",
        ("queries", "documents"), ("query_embeddings", "document_embeddings"),
        ("encoder",),
        "Embeds real queries and documents.",
    ),
    Step(
        "sample", "sample", "driver",
        ("queries", "query_embeddings"), ("demonstrations",),
        ("sampling", "task"),
        "Picks batches of real queries that cover what has not been shown yet.",
    ),
    Step(
        "generate", "generate", "driver",
        ("demonstrations", "queries", "pairs", "documents", "query_embeddings", "document_embeddings"),
        ("requests", "attributes", "candidates"),
        ("generation", "ingest", "seed", "task"),
        "Has the language model name each batch's attributes, then write queries that have them.",
    ),
    Step(
        "embed_candidates", "embed", "spark",
        ("candidates",), ("candidate_embeddings",),
        ("encoder",),
        "Embeds the written queries.",
    ),
    Step(
        "screen", "screen", "driver",
        (
            "candidates", "candidate_embeddings",
            "queries", "query_embeddings", "pairs", "documents", "document_embeddings",
        ),
        ("screening",),
        # What counts as personal data is said once, under `generation`.
        ("screening", "generation", "task", "encoder"),
        "Drops queries with personal data, copies, duplicates, leaks and queries that do not find their document.",
    ),
    Step(
        "align", "align", "driver",
        ("candidates", "candidate_embeddings", "screening", "queries", "query_embeddings"),
        ("weights",),
        ("alignment", "seed"),
        "Weighs the accepted queries so that together they are distributed like the real ones.",
    ),
    Step(
        "evaluate", "evaluate", "driver",
        (
            "candidates", "candidate_embeddings", "screening", "weights",
            "queries", "query_embeddings", "pairs", "documents", "document_embeddings",
        ),
        ("evaluation", "choice"),
        ("evaluation", "alignment", "encoder", "seed"),
        "Trains retrievers on real pairs and on each weighting, and chooses the weights on validation queries.",
    ),
    Step(
        "assemble", "assemble", "spark",
        ("pairs", "documents", "candidates", "weights", "choice"),
        ("training_set",),
        ("alignment",),
        "Puts real and weighted synthetic pairs into one training set.",
    ),
    Step(
        "register", "register", "driver",
        ("training_set",), (),
        ("retriever", "checks"),
        "Records the run and the version in MLflow.",
    ),
    Step(
        "report", "report", "driver",
        (
            "queries", "documents", "pairs", "rejected", "query_embeddings", "demonstrations",
            "requests", "attributes", "candidates", "candidate_embeddings", "screening", "weights",
            "evaluation", "choice", "training_set",
        ),
        (), (),
        "Shows the run to people: one HTML file, beside the run and in MLflow.",
        after=("register",),
    ),
)  # fmt: skip

_BY_NAME = {step.name: step for step in STEPS}
_WRITER = {table: step for step in STEPS for table in step.writes}


def step(name: str) -> Step:
    """The step of that name.

    Raises:
        RunError: There is none.
    """
    if name not in _BY_NAME:
        raise RunError(f"step == {name!r}, must be one of {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def before(name: str) -> tuple[Step, ...]:
    """The steps before one, in order.

    Raises:
        RunError: There is no step of that name.
    """
    return STEPS[: STEPS.index(step(name))]


def writer(table: str) -> Step:
    """The step that writes a table.

    Raises:
        RunError: No step does.
    """
    if table not in _WRITER:
        raise RunError(f"table == {table!r}, must be one of {', '.join(_WRITER)}.")
    return _WRITER[table]


def upstream(name: str) -> set[str]:
    """Names of the steps that a step reads from or waits for, directly."""
    return {writer(table).name for table in step(name).reads} | set(step(name).after)
