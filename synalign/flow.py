"""The flow: which step reads and writes which tables, which settings define them, and what people are told of a step.

This is the one place that knows the order. The DAG and the pages of its tasks are drawn from it, a run folder checks
and reuses steps by it, `jobs/` starts a step's function by it, and a step's own code knows only its tables. Imported by
DAG files: nothing heavy here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from synalign.errors import RunError


class Group(NamedTuple):
    """Steps that Airflow's graph shows as one box.

    Attributes:
        name: Names the task group; no task has that name.
        title: For people.
        purpose: One sentence.
    """

    name: str
    title: str
    purpose: str


class Step(NamedTuple):
    """One box of the flow.

    Attributes:
        name: Names the step's folder and its task.
        job: Names the file under `jobs/` that starts it, the file under `synalign/steps/` that does it, and the
            function in that file.
        group: The group that it is shown in.
        engine: `spark` is started by spark-submit, `driver` by python.
        reads: Tables it reads, each written by an earlier step.
        writes: Tables it writes, each with what its rows are, in a few words.
        settings: Keys of the configuration that define what it writes; with the digests of what it reads they make
            its fingerprint.
        purpose: One sentence for people.
        beside: What it reads, or talks to, beside its tables.
        remedies: What to do when it fails, most likely first.
        after: Steps it waits for though it reads no table of theirs.
        always: It is never reused: what it does can be undone from outside, and doing it again is harmless.
        waits: It may end unfinished while a provider works on batches (`generation.mode: batch`).
    """

    name: str
    job: str
    group: str
    engine: Literal["spark", "driver"]
    reads: tuple[str, ...]
    writes: Mapping[str, str]
    settings: tuple[str, ...]
    purpose: str
    beside: str = ""
    remedies: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    always: bool = False
    waits: bool = False


GROUPS = (
    Group("traffic", "Real traffic", "What people really searched for, cleaned and embedded."),
    Group("writing", "New queries", "Demonstrations are picked, and a language model writes."),
    Group("weighing", "Kept and weighed",
          "Written queries are screened and weighed, and the weights are tried on retrievers."),
    Group("release", "The training set", "The set is put together, registered, shown and announced."),
)  # fmt: skip
"""Groups in the order of their steps."""

_NO_ENCODER = "**The encoder is missing or its checksum differs**: *synalign doctor FILE* says which file."
_NO_ENDPOINT = (
    "**The endpoint refuses or is away** (*encoder.endpoint*): the error says why; vectors that came are kept and not "
    "paid twice."
)

STEPS = (
    Step(
        "ingest", "ingest", "traffic", "spark",
        reads=(),
        writes={
            "queries": "distinct real queries with counts and split",
            "documents": "the documents that can be found",
            "pairs": "a real query and the document that was chosen",
            "skips": "a real query and a document that people passed over, where they are wanted",
            "rejected": "rows of the log and of the documents that cannot be used, each with its rule",
        },
        settings=("source", "ingest"),
        purpose="Reads the query log and the documents, cleans, counts and splits them.",
        beside="the query log and the documents of *source*",
        remedies=(
            "**The log cannot be read, or has another column or format**: mend *source* in the YAML file, "
            "*synalign check FILE* tries it.",
            "**No row can be used**: the error counts rows by rule; usually the window misses the log "
            "(*source.window_days*) or a column is mapped wrongly.",
        ),
    ),
    Step(
        "carry", "carry", "traffic", "driver",
        reads=("queries", "documents"),
        writes={"carried": "written queries of earlier intervals that are judged again today"},
        settings=("pool", "ingest", "generation"),
        purpose="Takes up what earlier intervals wrote and accepted, as far as today's documents and splits allow.",
        beside="candidates, verdicts and weights of the *pool.nights* intervals before",
        remedies=(
            "**An earlier interval cannot be read**: refresh it again, or remove its folder; *pool.nights* says how "
            "many are looked at.",
        ),
    ),
    Step(
        "embed", "embed", "traffic", "spark",
        reads=("queries", "documents", "carried"),
        writes={
            "query_embeddings": "a unit vector per real query",
            "document_embeddings": "a unit vector per document",
            "carried_embeddings": "a unit vector per carried query",
        },
        settings=("encoder",),
        purpose="Embeds real queries, documents and carried queries.",
        beside="the encoder's weights",
        remedies=(
            _NO_ENCODER,
            _NO_ENDPOINT,
            "**Out of memory**: give the connection *spark_default* smaller executors' partitions or more memory.",
        ),
    ),
    Step(
        "sample", "sample", "writing", "driver",
        reads=("queries", "query_embeddings", "carried", "carried_embeddings"),
        writes={"demonstrations": "which queries are shown to the model, batch by batch"},
        settings=("sampling", "pool", "task"),
        purpose="Picks batches of real queries that cover what has not been shown yet.",
        beside="demonstrations of the *sampling.memory* intervals before, and what is carried",
        remedies=("**Too few queries for a batch**: widen *source.window_days*, or lower *sampling.neighbours*.",),
    ),
    Step(
        "generate", "generate", "writing", "driver",
        reads=(
            "demonstrations", "queries", "pairs", "documents", "carried", "query_embeddings", "document_embeddings",
        ),
        writes={
            "requests": "every request to the model: how it ended, tokens, seconds",
            "traces": "a few of these requests with their messages and answers, redacted",
            "attributes": "what the model named in each batch",
            "candidates": "the queries that the model wrote",
        },
        settings=("generation", "pool", "ingest", "seed", "task"),
        purpose="Has the language model name each batch's attributes, then write queries that have them.",
        beside="the model at *generation.endpoint*, and answers of earlier tries from the response journal",
        remedies=(
            "**The endpoint refuses or cannot be reached**: *synalign doctor FILE* sends it one small request. What "
            "was answered is in the response journal and is not paid for again.",
            "**The ceiling leaves no room**: *synalign estimate FILE* says what a run costs; raise "
            "*generation.budget*, in the file or for one run in the trigger form.",
            "**No answer can be used**: the error names the reasons; look at the prompts and the model's name.",
            "In *mode: batch* the task is *deferred* while the provider works, up to a day, and holds no worker slot.",
        ),
        waits=True,
    ),
    Step(
        "embed_candidates", "embed", "weighing", "spark",
        reads=("candidates",),
        writes={"candidate_embeddings": "a unit vector per written query"},
        settings=("encoder",),
        purpose="Embeds the written queries.",
        beside="the encoder's weights",
        remedies=(_NO_ENCODER, _NO_ENDPOINT),
    ),
    Step(
        "screen", "screen", "weighing", "driver",
        reads=(
            "candidates", "candidate_embeddings", "requests", "carried", "carried_embeddings",
            "queries", "query_embeddings", "pairs", "documents", "document_embeddings",
        ),
        writes={
            "pool": "all written queries that are judged today, carried ones first",
            "screening": "for each of them whether it is kept, else why not",
        },
        # What counts as personal data is said once, under `generation`.
        settings=("screening", "generation", "task", "encoder"),
        purpose="Drops queries with personal data, copies, duplicates, leaks and queries that do not find their "
        "document.",
        beside="the model at *screening.judge*, where there is one",
        remedies=(
            "**Nothing passes**: the error names the commonest reason, with the setting of *screening* that decides "
            "it.",
            "**The judge cannot be reached**: its grades so far are kept; *screening.judge: null* goes on without it.",
        ),
    ),
    Step(
        "align", "align", "weighing", "driver",
        reads=(
            "pool", "candidate_embeddings", "carried_embeddings", "screening", "queries", "query_embeddings",
        ),
        writes={"weights": "three weightings of the kept queries"},
        settings=("alignment", "seed"),
        purpose="Weighs the accepted queries so that together they are distributed like the real ones.",
        remedies=(
            "**No real or no written row is there**: the steps before it say why; their summaries have the counts.",
        ),
    ),
    Step(
        "mine", "mine", "weighing", "spark",
        reads=(
            "pairs", "skips", "pool", "screening", "documents",
            "query_embeddings", "carried_embeddings", "candidate_embeddings", "document_embeddings",
        ),
        writes={"negatives": "for each train pair its document and its hard negatives"},
        settings=("negatives", "task", "seed"),
        purpose="Finds documents that look like the answer to a query and are not, for every train pair.",
        remedies=(
            "**Too slow**: fewer *negatives.sources*; the work grows with pairs times documents.",
            "**Out of memory**: a task holds 5,000 pairs and 65,536 documents, 0.5 GB; give executors less cores.",
        ),
    ),
    Step(
        "teach", "teach", "weighing", "driver",
        reads=("negatives", "pairs", "pool", "documents"),
        writes={"scores": "the teacher's scores of these documents, and what it objects to"},
        settings=("teacher",),
        purpose="Has a teacher score every train pair and its hard negatives.",
        beside="the weights of *teacher.model*, where there is one",
        remedies=(
            "**The teacher is missing**: *teacher.model* is the folder of a cross-encoder; nothing is downloaded.",
            "**Too slow**: fewer *negatives.per_pair*, fewer *teacher.max_tokens*, or *teacher.kind: encoder*.",
        ),
    ),
    Step(
        "evaluate", "evaluate", "weighing", "driver",
        reads=(
            "pool", "candidate_embeddings", "carried_embeddings", "screening", "weights", "scores",
            "queries", "query_embeddings", "pairs", "documents", "document_embeddings",
        ),
        writes={
            "evaluation": "what every trained retriever ranks, query by query",
            "choice": "which weighting and mass the training set has, and why",
        },
        settings=("evaluation", "alignment", "encoder", "teacher", "seed", "task"),
        purpose="Trains retrievers, or classifiers, on real pairs and on each weighting, and chooses weights and mass "
        "on validation queries.",
        beside="the encoder's weights, as the retriever to train",
        remedies=(
            "**Too slow**: a smaller *evaluation.retriever*, or fewer *seeds* and *steps*, in the trigger form; fewer "
            "*evaluation.masses*.",
            "A gate that fails does not fail the task: the version is registered, and *current* does not move to it.",
        ),
    ),
    Step(
        "assemble", "assemble", "release", "spark",
        reads=("pairs", "documents", "pool", "weights", "choice", "scores"),
        writes={"training_set": "real and weighted written pairs, with hard negatives and a teacher's scores"},
        settings=("alignment", "negatives", "task", "output"),
        purpose="Puts real and weighted synthetic pairs into one training set.",
        beside="the table *output.table*, where there is one",
        remedies=(
            "**Out of memory or disk**: *synalign doctor FILE* says what is free.",
            "**The table is refused** (*output.table*): the error says what Spark's catalog lacks; the finished steps "
            "are kept.",
        ),
    ),
    Step(
        "register", "register", "release", "driver",
        reads=("training_set",),
        writes={},
        settings=("retriever", "checks", "registry"),
        purpose="Records the run, the version, its prompts and a few requests in MLflow.",
        beside="MLflow",
        remedies=(
            "**MLflow cannot be reached**: nothing is lost, and another try registers the same version, not a second "
            "one.",
            "**A check failed**: the task succeeds and names it; the version is there, and *current* stays where it "
            "is.",
        ),
        always=True,
    ),
    Step(
        "report", "report", "release", "driver",
        reads=(
            "queries", "documents", "pairs", "rejected", "query_embeddings", "demonstrations",
            "requests", "attributes", "candidates", "candidate_embeddings", "carried_embeddings", "pool", "screening",
            "weights",
            "evaluation", "choice", "training_set",
        ),
        writes={},
        settings=(),
        purpose="Shows the run to people: one HTML file, beside the run and in MLflow.",
        beside="MLflow",
        remedies=(
            "The training set is registered already; only its report is missing. *synalign report RUN* makes it.",
        ),
        after=("register",),
        always=True,
    ),
)  # fmt: skip

_BY_NAME = {step.name: step for step in STEPS}
_WRITER = {table: step for step in STEPS for table in step.writes}


def step(name: str) -> Step:
    """Return the step of that name.

    Raises:
        RunError: There is none.
    """
    if name not in _BY_NAME:
        raise RunError(f"step == {name!r}, must be one of {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]


def before(name: str) -> tuple[Step, ...]:
    """Return the steps before one, in order.

    Raises:
        RunError: There is no step of that name.
    """
    return STEPS[: STEPS.index(step(name))]


def writer(table: str) -> Step:
    """Return the step that writes a table.

    Raises:
        RunError: No step does.
    """
    if table not in _WRITER:
        raise RunError(f"table == {table!r}, must be one of {', '.join(_WRITER)}.")
    return _WRITER[table]


def upstream(name: str) -> set[str]:
    """Return the names of the steps that a step reads from or waits for, directly."""
    return {writer(table).name for table in step(name).reads} | set(step(name).after)


def members(group: Group) -> list[Step]:
    """Return the steps of a group, in order."""
    return [step for step in STEPS if step.group == group.name]
