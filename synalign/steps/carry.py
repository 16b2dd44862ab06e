"""The step *carry*: takes up what earlier intervals wrote, as far as today's documents, splits and settings allow.

The rules are in `synalign.pool`; here are only the tables around them.
"""

from __future__ import annotations

import logging

import pyarrow.compute as pc

from synalign.generation.prompts import prompt_version
from synalign.generation.writing import WRITE
from synalign.pool.carrying import Carried, Today, sifted, written
from synalign.pool.nights import nights
from synalign.run import Attempt, Run, manifests, some_rows
from synalign.tables import document_digest

log = logging.getLogger("synalign")


def outside(run: Run) -> dict[str, str]:
    """Return the digests of what is read of earlier intervals, by interval: see `synalign.steps.job.main`."""
    return {night.interval: night.digest for night in nights(run)}


def carry(attempt: Attempt) -> None:
    """Write `carried`: empty for a retriever's first interval, and where `pool.nights` is 0.

    Raises:
        RunError: An earlier interval is damaged.
    """
    found = take_up(attempt.run)
    attempt.write("carried", found.rows)
    attempt.metrics.update(
        {"found": found.found, "carried": len(found.rows), "left": found.left, "intervals": found.nights}
    )
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in found.left.items()) or "none"
    log.info(
        "carry: %s of %s queries of %d earlier intervals are judged again; left behind: %s",
        f"{len(found.rows):,}", f"{found.found:,}", found.nights, reasons,
    )  # fmt: skip


def take_up(run: Run) -> Carried:
    """Return what a run takes up; its step *ingest* must be finished."""
    earlier = nights(run)
    old = [night.interval for night in earlier if not night.can_be_carried]
    if old:
        log.warning("carry: %d intervals were written by an older SynAlign and are not carried", len(old))
    rows = written(earlier)
    return sifted(rows, earlier, _today(run, set(rows["document_id"].to_pylist())))


def _today(run: Run, needed: set[str]) -> Today:
    """Read what carried queries are held against: some documents, and the ids of queries that judge."""
    names = ["document_id", "title", "text"]
    documents = some_rows.having(run, "documents", "document_id", needed, names).to_pylist()
    judging: set[str] = set()
    for batch in manifests.batches(run.files("queries") if needed else [], ["query_id", "split"]):
        judging.update(batch.filter(pc.not_equal(batch.column("split"), "train")).column("query_id").to_pylist())
    return Today(
        run.configuration,
        {row["document_id"]: document_digest(row["title"], row["text"]) for row in documents},
        frozenset(judging),
        prompt_version(WRITE, run.configuration),
    )
