"""Earlier intervals of a retriever, and what they wrote, showed and weighed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from synalign import flow, tables
from synalign.config.schemes import ALIGNED
from synalign.errors import RunError
from synalign.run import Run, intervals, manifests
from synalign.run.memory import members_of
from synalign.storage import Place

_CARRIED = tables.schema("carried")
_READ = {
    "sample": ("demonstrations",),
    "generate": ("requests", "candidates"),
    "screen": ("screening",),
    "align": ("weights",),
}
"""What is read of an earlier interval, by step."""

_NEEDED = {"screen": "generate", "align": "screen"}
"""The step without which another says nothing of an interval."""


class Night(NamedTuple):
    """An earlier interval that has asked the model, as far as it has come.

    Attributes:
        interval: Its name.
        folder: The folder of its run.
        manifests: By step, the manifests of those of `sample`, `generate`, `screen` and `align` that are finished and
            were made from each other's present tables.
    """

    interval: str
    folder: Place
    manifests: dict[str, dict[str, Any]]

    @property
    def digest(self) -> str:
        """SHA-256 of all that is read of it."""
        read = {
            table: manifest["tables"][table]["digest"]
            for step, manifest in self.manifests.items()
            for table in _READ[step]
        }
        return hashlib.sha256(manifests.canonical({**read, "model": self.model})).hexdigest()

    @property
    def model(self) -> str:
        """The model that was asked, by the name that the configuration had for it."""
        return str(self.manifests["generate"]["settings"]["generation"]["model"])

    def can_be_carried(self) -> bool:
        """Check that its candidates say what their documents were: those of older versions of SynAlign do not.

        Raises:
            RunError: A table is missing or damaged.
        """
        with self._opened("candidates") as candidates:
            return set(tables.schema("candidates").names) <= set(candidates.schema.names)

    def written(self) -> pa.Table:
        """Return its candidates that screening accepted, or has not judged yet, in stored order.

        Returns:
            A table with the columns of `carried`.

        Raises:
            RunError: A table is missing or damaged.
        """
        with self._opened("candidates") as candidates:
            found = candidates.to_table()
        if "screen" in self.manifests:
            with self._opened("screening") as screening:
                accepted = screening.to_table(["candidate_id"], filter=pads.field("status") == "accepted")
            found = found.filter(pc.is_in(found["candidate_id"], accepted["candidate_id"].combine_chunks()))
        with self._opened("requests") as asked:
            requests = asked.to_table(["request_id", "model", "prompt_version"])
        made_by = requests.take(pc.index_in(found["request_id"], requests["request_id"].combine_chunks()))
        return pa.table(
            {
                **{name: found[name] for name in tables.schema("candidates").names},
                "interval": pa.repeat(self.interval, len(found)),
                "model": made_by["model"],
                "prompt_version": made_by["prompt_version"],
            }
        ).select(_CARRIED.names).cast(_CARRIED)  # fmt: skip

    def asked_otherwise(self, versions: frozenset[str]) -> set[str]:
        """Return the batches of which a request had a prompt of none of these versions.

        Raises:
            RunError: A table is missing or damaged.
        """
        with self._opened("requests") as asked:
            rows = asked.to_table(["batch_id", "prompt_version"])
        known = pc.is_in(rows["prompt_version"], pa.array(sorted(versions), pa.string()))
        return set(rows.filter(pc.invert(known))["batch_id"].to_pylist())

    def shown(self) -> dict[str, list[str]]:
        """Return the ids of the queries that each batch showed, by batch.

        Raises:
            RunError: A table is missing or damaged.
        """
        if "sample" not in self.manifests:
            return {}
        with self._opened("demonstrations") as demonstrations:
            rows = demonstrations.to_table(["batch_id", "position", "query_id"])
        return members_of(rows)

    def weights(self) -> pa.Table:
        """Return the aligned weight of every query that it weighed, its own and carried ones; empty where none was.

        Raises:
            RunError: A table is missing or damaged.
        """
        columns = ["candidate_id", "weight"]
        if "align" not in self.manifests:
            return tables.schema("weights").empty_table().select(columns)
        with self._opened("weights") as weights:
            return weights.to_table(columns, filter=pads.field("scheme") == ALIGNED)

    @contextmanager
    def _opened(self, table: str) -> Iterator[pads.Dataset]:
        """Open a table of the interval.

        Raises:
            RunError: It is missing or damaged.
        """
        step = flow.writer(table).name
        try:
            yield manifests.dataset(manifests.files(self.folder / step, self.manifests[step], table))
        except (FileNotFoundError, pa.ArrowInvalid) as error:
            raise RunError(
                f"table {table!r} of the earlier interval {self.interval} cannot be read: {error}.",
                cause="its files were removed or damaged, or `synalign forget` is at work there",
                remedy=f"run this step again; if that does not help, refresh that interval again, or remove "
                f"{self.folder}: what it wrote is not carried on then",
            ) from error


def nights(run: Run) -> list[Night]:
    """Return the latest `pool.nights` intervals that ended before a run began and have asked the model.

    Returns:
        Oldest first.

    Raises:
        RunError: A manifest cannot be read.
        StorageError: Storage refuses.
    """
    return latest(run.folder.parent, run.configuration.pool.nights, run.interval.name.split("-")[0])


def latest(retriever: Place, most: int, before: str | None = None) -> list[Night]:
    """Return a retriever's latest intervals that have asked the model.

    Args:
        retriever: The folder of its runs.
        most: How many at most.
        before: Only those that ended until then, as the names of folders say it; None: all.

    Returns:
        Oldest first.

    Raises:
        RunError: A manifest cannot be read.
        StorageError: Storage refuses.
    """
    found = list[Night]()
    for folder in reversed(intervals(retriever) if most else []):
        if len(found) >= most:
            break
        if before is not None and folder.name.split("-")[1] > before:
            continue
        finished = _finished(folder)
        if "generate" in finished:
            found.append(Night(folder.name, folder, finished))
    return found[::-1]


def _finished(folder: Place) -> dict[str, dict[str, Any]]:
    """Return the manifests of the steps that count: made from each other's tables as they are now.

    Where *sample* was run again since, what the batches of *generate* showed is not known any more: the interval counts
    again when it was asked again, from its journal.
    """
    found: dict[str, dict[str, Any]] = {}
    for step in _READ:
        manifest = manifests.read(folder / step / manifests.NAME)
        if manifest is None or (step in _NEEDED and _NEEDED[step] not in found):
            continue
        present = {table: entry["digest"] for other in found.values() for table, entry in other["tables"].items()}
        if all(manifest["inputs"].get(table, digest) == digest for table, digest in present.items()):
            found[step] = manifest
    return found
