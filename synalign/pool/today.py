"""What carried queries are held against: today's settings, documents and splits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from synalign.config import Configuration
from synalign.pool.splits import split_of
from synalign.prompts.templates import WRITING, prompt_version
from synalign.run import Run, finished_files, manifests
from synalign.storage import Place
from synalign.tables import document_digest


class Today(NamedTuple):
    """What carried queries are held against.

    Attributes:
        configuration: Today's configuration.
        documents: By id, the digest of what documents say today (`synalign.tables.document_digest`).
        held_out: Ids of today's queries that judge.
        prompt_versions: Of all requests, as they would be sent today.
    """

    configuration: Configuration
    documents: Mapping[str, str]
    held_out: frozenset[str]
    prompt_versions: frozenset[str]


def of_run(run: Run, documents: Collection[str], shown: Collection[str]) -> Today:
    """Read it from a run's own tables.

    Args:
        run: The run; its step *ingest* must be finished.
        documents: Ids of the documents that are asked about.
        shown: Ids of the queries that are asked about.

    Raises:
        RunError: *ingest* is not finished.
    """

    def judging(batch: pa.RecordBatch) -> list[str]:
        found: list[str] = batch.filter(pc.not_equal(batch["split"], "train"))["query_id"].to_pylist()
        return found

    return _today(run.configuration, run.files("documents"), documents, run.files("queries"), shown, judging)


def as_ingested(
    configuration: Configuration, folder: Place, documents: Collection[str], shown: Collection[str]
) -> Today:
    """Read it from an interval that may have been ingested with other settings; splits are today's all the same.

    Args:
        configuration: Today's configuration.
        folder: The folder of the interval's run; its step *ingest* must be finished.
        documents: Ids of the documents that are asked about.
        shown: Ids of the queries that are asked about.

    Raises:
        RunError: *ingest* is not finished.
    """

    def judging(batch: pa.RecordBatch) -> list[str]:
        return [name for name in batch["query_id"].to_pylist() if split_of(name, configuration.ingest) != "train"]

    document_files, query_files = (finished_files(folder, table) for table in ("documents", "queries"))
    return _today(configuration, document_files, documents, query_files, shown, judging)


def _today(
    configuration: Configuration,
    document_files: Sequence[Place],
    documents: Collection[str],
    query_files: Sequence[Place],
    shown: Collection[str],
    judging: Callable[[pa.RecordBatch], list[str]],
) -> Today:
    """Read what is asked about, a batch of rows at a time: neither texts nor ids of a whole collection are held."""
    digests: dict[str, str] = {}
    wanted = pa.array(sorted(set(documents)), pa.string())
    for batch in manifests.batches(document_files if documents else [], ["document_id", "title", "text"]):
        for row in batch.filter(pc.is_in(batch["document_id"], wanted)).to_pylist():
            digests[row["document_id"]] = document_digest(row["title"], row["text"])
    held_out: set[str] = set()
    asked = pa.array(sorted(set(shown)), pa.string())
    for batch in manifests.batches(query_files if shown else [], ["query_id", "split"]):
        held_out.update(judging(batch.filter(pc.is_in(batch["query_id"], asked))))
    versions = frozenset(prompt_version(kind, configuration) for kind in WRITING)
    return Today(configuration, digests, frozenset(held_out), versions)
