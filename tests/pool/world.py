"""A small world in which whole nights take no time: made texts, made vectors, and a writer that is a hash.

The steps *carry* and the table `pool` are the product's own; the other steps do what they do by the hash of what they
read, so that the same tables give the same tables, and other ones others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from synalign import flow, tables
from synalign.config import Configuration
from synalign.pool.splits import split_of
from synalign.prompts.templates import digests, prompt_version
from synalign.run import Attempt, Interval, Run
from synalign.screening.candidates import pool_of
from synalign.steps import carry
from synalign.steps.job import perform
from synalign.tables import content_id, document_digest

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
QUERIES = tuple(f"query number {number}" for number in range(40))
DOCUMENTS = {f"d{number}": f"about thing {number}" for number in range(6)}
STEPS = flow.before("mine")

Work = Callable[[Attempt], None]
Outside = Callable[[Run], dict[str, str]]


class Day(NamedTuple):
    """What a night finds when it ingests.

    Attributes:
        queries: The log.
        documents: By id, what they say.
    """

    queries: Sequence[str] = QUERIES
    documents: Mapping[str, str] = DOCUMENTS


class Script(NamedTuple):
    """What a night's writer, screen and weights are to say, where a test has something in mind.

    Attributes:
        wrote: Queries, each with the id of its document; they are one batch's, that of the lowest id.
        rejected: Which queries are not accepted; carried ones, too.
        weights: Aligned weights of queries that have others than the rest.
    """

    wrote: Sequence[tuple[str, str]]
    rejected: frozenset[str] = frozenset()
    weights: Mapping[str, float] = {}


def settings(**sections: Any) -> Configuration:
    """A checked configuration: batches of three, two a night."""
    content: dict[str, Any] = {
        "retriever": "shop",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "sampling": {"batches": 2, "neighbours": 2, "breadth": 2},
    }
    for name, values in sections.items():
        content[name] = {**content.get(name, {}), **values}
    return Configuration.model_validate(content)


def run_of(number: int, configuration: Configuration | None = None, base: os.PathLike[str] | None = None) -> Run:
    """The run of a day."""
    day = Interval(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))
    return Run(configuration or settings(), day, base)


def night(
    run: Run, day: Day | None = None, script: Script | None = None, *, until: str = "align", since: str | None = None
) -> Run:
    """Do the steps of a night, one after the other, as jobs do them: what is finished is reused."""
    works = _works(day or Day(), script)
    names = [step.name for step in STEPS]
    for name in names[names.index(since) if since else 0 : names.index(until) + 1]:
        work, outside = works[name]
        perform(run, name, work, outside(run))
    return run


def digests_of(run: Run) -> dict[str, str]:
    """The digest of every table that there is."""
    return {
        table: content["digest"]
        for step in STEPS
        if (manifest := run.manifest(step.name)) is not None
        for table, content in manifest["tables"].items()
    }


def carried(run: Run) -> list[tuple[str, str]]:
    """Interval and id of every carried candidate, in stored order."""
    return [(row["interval"], row["candidate_id"]) for row in run.read("carried").to_pylist()]


def accepted(run: Run) -> list[str]:
    """Ids of its own candidates that it accepted, in stored order."""
    kept = {row["candidate_id"] for row in run.read("screening").to_pylist() if row["status"] == "accepted"}
    return [name for name in run.read("candidates")["candidate_id"].to_pylist() if name in kept]


def draw(most: int, *parts: str) -> int:
    """A number below `most` that depends on texts alone."""
    return int(content_id(*parts), 16) % most


def _works(day: Day, script: Script | None) -> dict[str, tuple[Work, Outside]]:
    def nothing(run: Run) -> dict[str, str]:
        return {}

    def scripted(run: Run) -> dict[str, str]:
        return {"script": content_id(repr(script))}

    def source(run: Run) -> dict[str, str]:
        return {"source": content_id(*day.queries, *(text for pair in day.documents.items() for text in pair))}

    def ingest(attempt: Attempt) -> None:
        for name, content in _ingested(attempt.configuration, day).items():
            attempt.write(name, content)

    return {
        "ingest": (ingest, source),
        "carry": (carry.carry, carry.outside),
        "embed": (_embed, nothing),
        "sample": (_sample, nothing),
        "generate": (partial(_generate, script=script), lambda run: {**digests(run.configuration), **scripted(run)}),
        "embed_candidates": (_embed, nothing),
        "screen": (partial(_screen, script=script), scripted),
        "align": (partial(_align, script=script), scripted),
    }


def rows(table: str, content: Iterable[Mapping[str, Any]]) -> pa.Table:
    """A table by its schema; what a row does not say is empty."""
    return pa.Table.from_pylist(list(content), tables.schema(table))


def _ingested(configuration: Configuration, day: Day) -> dict[str, pa.Table]:
    named = [(content_id(query), query) for query in day.queries]
    split = {name: split_of(name, configuration.ingest) for name, _ in named}
    times = {"first_seen": FIRST, "last_seen": FIRST}
    documents = [{"document_id": name, "title": name, "text": text} for name, text in day.documents.items()]
    return {
        "queries": rows(
            "queries",
            [{"query_id": name, "query": query, "count": 1, "split": split[name], **times} for name, query in named],
        ),
        "documents": rows("documents", documents),
        "pairs": rows("pairs", []),
        "rejected": rows("rejected", []),
        "skips": rows("skips", []),
    }


def _embed(attempt: Attempt) -> None:
    sources = {
        "query_embeddings": ("queries", "query_id", "query"),
        "document_embeddings": ("documents", "document_id", "text"),
        "carried_embeddings": ("carried", "candidate_id", "query"),
        "candidate_embeddings": ("candidates", "candidate_id", "query"),
    }
    for target in attempt.step.writes:
        table, key, text = sources[target]
        content = attempt.run.read(table, [key, text]).to_pylist()
        attempt.write(target, rows(target, [{"id": row[key], "embedding": vector(row[text])} for row in content]))


def vector(text: str) -> list[float]:
    """A unit vector that depends on the text alone."""
    made = np.random.default_rng(list(text.encode())).normal(size=4)
    return list((made / np.linalg.norm(made)).astype(np.float32))


def _sample(attempt: Attempt) -> None:
    """Batches of neighbours in the order of ids, begun where the day says."""
    run, chosen = attempt.run, attempt.configuration.sampling
    queries = run.read("queries", ["query_id", "split"]).to_pylist()
    train = sorted(row["query_id"] for row in queries if row["split"] == "train")
    size = chosen.neighbours + 1
    whole = [train[at : at + size] for at in range(0, len(train) - size + 1, size)]
    first = draw(len(whole), run.interval.name)
    batches = [whole[(first + number) % len(whole)] for number in range(min(chosen.batches, len(whole)))]
    shown = [
        {"batch_id": content_id(*members), "position": position, "query_id": name, "variance": 1.0,
         "role": "neighbour" if position else "anchor"}
        for members in batches for position, name in enumerate(members)
    ]  # fmt: skip
    attempt.write("demonstrations", rows("demonstrations", shown))


def _generate(attempt: Attempt, script: Script | None) -> None:
    """Two queries for each of three documents a batch; asked the same again, it says the same again."""
    run, model = attempt.run, attempt.configuration.generation.model
    documents = {row["document_id"]: row for row in run.read("documents").to_pylist()}
    batches = list(dict.fromkeys(run.read("demonstrations", ["batch_id"])["batch_id"].to_pylist()))
    versions = {kind: prompt_version(kind, attempt.configuration) for kind in ("reason", "write")}
    requests, candidates = [], []
    for batch in batches:
        if script is None:
            first, names = draw(len(documents), batch), list(documents)
            targets = [names[(first + number) % len(names)] for number in range(min(3, len(names)))]
            wrote = [(f"{documents[name]['text']} as {batch[:4]} says {nth}", name) for name in targets for nth in "01"]
        else:
            wrote = list(script.wrote) if batch == min(batches) else []
        said = [documents[name]["text"] for _, name in wrote]
        ids = {kind: content_id(kind, batch, model, versions[kind], *said) for kind in versions}
        requests += [
            {"request_id": ids[kind], "batch_id": batch, "kind": kind, "outcome": "ok", "model": model,
             "prompt_version": versions[kind], "seconds": 0.1}
            for kind in versions
        ]  # fmt: skip
        candidates += [
            {"candidate_id": content_id(ids["write"], name, query, "1"), "batch_id": batch, "query": query,
             "document_id": name, "request_id": ids["write"],
             "document_digest": document_digest(documents[name]["title"], documents[name]["text"])}
            for query, name in wrote
        ]  # fmt: skip
    attempt.write("requests", rows("requests", requests))
    attempt.write("traces", rows("traces", []))
    attempt.write("attributes", rows("attributes", []))
    attempt.write("candidates", rows("candidates", candidates))


def _screen(attempt: Attempt, script: Script | None) -> None:
    """Reject one in five, the same ones every night."""
    pool = pool_of(attempt.run)
    named = zip(pool["candidate_id"].to_pylist(), pool["query"].to_pylist(), strict=True)
    good = {name: bool(draw(5, name)) if script is None else query not in script.rejected for name, query in named}
    verdicts = [
        {"candidate_id": name, "status": "accepted"} if is_good else
        {"candidate_id": name, "status": "rejected", "reason": "copied"}
        for name, is_good in good.items()
    ]  # fmt: skip
    attempt.write("pool", pool)
    attempt.write("screening", rows("screening", verdicts))


def _align(attempt: Attempt, script: Script | None) -> None:
    """Half of what is accepted weighs nothing, another half each night."""
    screened = attempt.run.read("screening").to_pylist()
    query = {row["candidate_id"]: row["query"] for row in attempt.run.read("pool").to_pylist()}
    kept = [row["candidate_id"] for row in screened if row["status"] == "accepted"]
    if script is None:
        raw = [float(draw(2, name, attempt.run.interval.name)) for name in kept]
    else:
        raw = [script.weights.get(query[name], 1.0) for name in kept]
    total = sum(raw) or 1.0
    weights = [
        {"candidate_id": name, "scheme": scheme, "weight": 1 / len(kept) if scheme == "equal" else value / total}
        for scheme in ("equal", "aligned") for name, value in zip(kept, raw, strict=True)
    ]  # fmt: skip
    attempt.write("weights", rows("weights", weights))
