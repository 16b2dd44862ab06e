"""What Airflow shows beside a DAG and its tasks: what each does, reads and writes, and what to do when it fails.

Markdown, with names in italics: Airflow frames inline code so widely that lines overlap. What the flow knows (order,
tables, engine) is taken from it; only what it cannot know is written here. Imported by DAG files: nothing heavy.
"""

from __future__ import annotations

from typing import NamedTuple

from synalign import errors, flow
from synalign.config import Configuration


class Group(NamedTuple):
    """Steps that Airflow's graph shows as one box.

    Attributes:
        id: Names the task group; no task has that name.
        title: For people.
        purpose: One sentence.
        steps: Names of steps, in order.
    """

    id: str
    title: str
    purpose: str
    steps: tuple[str, ...]


GROUPS = (
    Group("traffic", "Real traffic", "What people really searched for, cleaned and embedded.", ("ingest", "embed")),
    Group("writing", "New queries", "Demonstrations are picked, and a language model writes.", ("sample", "generate")),
    Group(
        "weighing",
        "Kept and weighed",
        "Written queries are screened and weighed, and the weights are tried on retrievers.",
        ("embed_candidates", "screen", "align", "evaluate"),
    ),
    Group(
        "release",
        "The training set",
        "The set is put together, registered, shown and announced.",
        ("assemble", "register", "report"),
    ),
)

TABLES = {
    "queries": "distinct real queries with counts and split",
    "documents": "the documents that can be found",
    "pairs": "a real query and the document that was chosen",
    "rejected": "rows of the log and of the documents that cannot be used, each with its rule",
    "query_embeddings": "a unit vector per real query",
    "document_embeddings": "a unit vector per document",
    "demonstrations": "which queries are shown to the model, batch by batch",
    "requests": "every request to the model: how it ended, tokens, seconds",
    "attributes": "what the model named in each batch",
    "candidates": "the queries that the model wrote",
    "candidate_embeddings": "a unit vector per written query",
    "screening": "for each written query whether it is kept, else why not",
    "weights": "three weightings of the kept queries",
    "evaluation": "what every trained retriever ranks, query by query",
    "choice": "which weighting the training set has, and why",
    "training_set": "real and weighted written pairs",
}
"""What lies in each table, in a few words."""

OUTSIDE = {
    "ingest": "the query log and the documents of *source*",
    "embed": "the encoder's weights",
    "sample": "demonstrations of the *sampling.memory* intervals before",
    "generate": "the model at *generation.endpoint*, and answers of earlier tries from the response journal",
    "embed_candidates": "the encoder's weights",
    "evaluate": "the encoder's weights, as the retriever to train",
    "register": "MLflow",
    "report": "MLflow",
}
"""What a step reads, or talks to, beside its tables."""

REMEDIES = {
    "ingest": (
        "**The log cannot be read, or has another column or format**: mend *source* in the YAML file, "
        "*synalign check FILE* tries it.",
        "**No row can be used**: the error counts rows by rule; usually the window misses the log "
        "(*source.window_days*) or a column is mapped wrongly.",
    ),
    "embed": (
        "**The encoder is missing or its checksum differs**: *synalign doctor FILE* says which file.",
        "**Out of memory**: give the connection *spark_default* smaller executors' partitions or more memory.",
    ),
    "sample": ("**Too few queries for a batch**: widen *source.window_days*, or lower *sampling.neighbours*.",),
    "generate": (
        "**The endpoint refuses or cannot be reached**: *synalign doctor FILE* sends it one small request. What was "
        "answered is in the response journal and is not paid for again.",
        "**The ceiling leaves no room**: *synalign estimate FILE* says what a run costs; raise *generation.budget*, "
        "in the file or for one run in the trigger form.",
        "**No answer can be used**: the error names the reasons; look at the prompts and the model's name.",
        "In *mode: batch* the task is *deferred* while the provider works, up to a day, and holds no worker slot.",
    ),
    "embed_candidates": (
        "**The encoder is missing or its checksum differs**: *synalign doctor FILE* says which file.",
    ),
    "screen": (
        "**Nothing passes**: the error names the commonest reason, with the setting of *screening* that decides it.",
    ),
    "align": ("**No real or no written row is there**: the steps before it say why; their summaries have the counts.",),
    "evaluate": (
        "**Too slow**: a smaller *evaluation.retriever*, or fewer *seeds* and *steps*, in the trigger form.",
        "A gate that fails does not fail the task: the version is registered, and *current* does not move to it.",
    ),
    "assemble": ("**Out of memory or disk**: *synalign doctor FILE* says what is free.",),
    "register": (
        "**MLflow cannot be reached**: nothing is lost, and another try registers the same version, not a second one.",
        "**A check failed**: the task succeeds and names it; the version is there, and *current* stays where it is.",
    ),
    "report": ("The training set is registered already; only its report is missing. *synalign report RUN* makes it.",),
}
"""What to do when a step fails, most likely first."""

CODES = {
    errors.ConfigurationError: "the YAML file is wrong, or what the trigger form changed",
    errors.InputError: "the log or the documents cannot be used",
    errors.RunError: "a step before is missing, or was made with other settings",
    errors.BusyError: "another process works on the same interval",
    errors.GenerationError: "the model's endpoint, or its answers, cannot be used",
    errors.RegistryError: "MLflow cannot be reached, or refuses",
    errors.SetupError: "the machine lacks Java, the encoder or a package",
    errors.StorageError: "a disk is full, or storage cannot be reached",
}
"""What each kind of error means."""


AFTERWARDS = "Then clear the task: finished steps are kept and reused, and what a killed try left behind is swept away."


def step_page(step: flow.Step) -> str:
    """The documentation of a step's task."""
    reads = [f"*{table}* (from {flow.writer(table).name}): {TABLES[table]}" for table in step.reads]
    reads += [OUTSIDE[step.name]] if step.name in OUTSIDE else []
    writes = [f"*{table}*: {TABLES[table]}" for table in step.writes]
    started = "by spark-submit" if step.engine == "spark" else "as a process of the worker"
    return page(
        step.purpose,
        ("Reads", _list(reads)),
        ("Writes", _list(writes or ["no table"])),
        ("Returns", "A summary: rows, figures, seconds; never data."),
        (
            "When it fails",
            f"The log ends with the error, its likely cause and what to do. {AFTERWARDS}\n\n"
            + _list(REMEDIES[step.name]),
        ),
        ("How it runs", f"*jobs/{step.job}.py*, {started}."),
    )


def refresh_page(configuration: Configuration, retries: dict[type[errors.SynAlignError], str]) -> str:
    """The documentation of a retriever's refresh.

    Args:
        configuration: The retriever's.
        retries: What happens after each kind of error, in words.
    """
    name = configuration.retriever
    groups = [f"**{group.title}**: {group.purpose} *({', '.join(group.steps)})*" for group in GROUPS]
    codes = [f"| {kind.exit_code} | {kind.__name__}: {CODES[kind]} | {retries[kind]} |" for kind in CODES]
    return page(
        configuration.description or f"Refreshes the training set of {name}.",
        (
            "What it does",
            "Learns from the traffic of one data interval, has a language model write queries like it, weighs them so "
            f"that together they are distributed like the real ones, and registers *{name}-training-set* in MLflow.\n\n"
            + _list(groups),
        ),
        ("To judge a run", "Open *Report*, a button of the task report; *MLflow run* is one of register."),
        (
            "To start a run",
            "Trigger the DAG. Its form shows what the YAML file says; what is changed there holds for that run alone.",
        ),
        ("To go on after a failure", f"Mend what the log of the failed task names. {AFTERWARDS}"),
        (
            "What happens after a failure",
            "| exit code | error | then |\n|---|---|---|\n"
            + "\n".join(codes)
            + f"\n| other | the job was killed, or has a mistake | {retries[errors.SynAlignError]} |",
        ),
        ("Where its data lies", f"*$SYNALIGN_STORE/runs/{name}/(interval)/(step)/(attempt)/*, as Parquet."),
    )


def page(first: str, *sections: tuple[str, str]) -> str:
    """A page: a paragraph, then sections with their titles."""
    return "\n\n".join([first, *(f"### {title}\n\n{text}" for title, text in sections)])


def _list(items: tuple[str, ...] | list[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
