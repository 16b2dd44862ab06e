"""Earlier intervals of a retriever, and what they wrote, showed and weighed."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads

from synalign import flow, tables
from synalign.config.schemes import ALIGNED
from synalign.run import Run, intervals, manifests
from synalign.storage import Place

_CARRIED = tables.schema("carried")
_READ = {
    "sample": ("demonstrations",),
    "generate": ("requests", "candidates"),
    "screen": ("screening",),
    "align": ("weights",),
}
"""What is read of an earlier interval, by step."""


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
        return hashlib.sha256(manifests.canonical(read)).hexdigest()

    @property
    def model(self) -> str:
        """The model that was asked, by the name that the configuration had for it."""
        return str(self.manifests["generate"]["settings"]["generation"]["model"])

    @property
    def can_be_carried(self) -> bool:
        """Whether its candidates say what their documents were: those of older versions of SynAlign do not."""
        return set(tables.schema("candidates").names) <= set(self._dataset("candidates").schema.names)

    def written(self) -> pa.Table:
        """Return its candidates that screening accepted, or has not judged yet, in stored order.

        Returns:
            A table with the columns of `carried`.
        """
        found = self._dataset("candidates").to_table()
        if "screen" in self.manifests:
            accepted = self._dataset("screening").to_table(["candidate_id"], filter=pads.field("status") == "accepted")
            found = found.filter(pc.is_in(found["candidate_id"], accepted["candidate_id"].combine_chunks()))
        requests = self._dataset("requests").to_table(["request_id", "model", "prompt_version"])
        rows = pc.index_in(found["request_id"], requests["request_id"].combine_chunks())
        made_by = requests.take(rows)
        return pa.table(
            {
                **{name: found[name] for name in tables.schema("candidates").names},
                "interval": pa.repeat(self.interval, len(found)),
                "model": made_by["model"],
                "prompt_version": made_by["prompt_version"],
            }
        ).select(_CARRIED.names).cast(_CARRIED)  # fmt: skip

    def shown(self) -> dict[str, list[str]]:
        """Return the ids of the queries that each batch showed, by batch."""
        if "sample" not in self.manifests:
            return {}
        rows = self._dataset("demonstrations").to_table(["batch_id", "position", "query_id"])
        found: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for batch_id, position, query_id in zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True):
            found[batch_id].append((position, query_id))
        return {batch_id: [query_id for _, query_id in sorted(members)] for batch_id, members in found.items()}

    def weights(self) -> pa.Table:
        """Return the aligned weight of every query that it weighed, its own and carried ones; empty where none was."""
        columns = ["candidate_id", "weight"]
        if "align" not in self.manifests:
            return tables.schema("weights").empty_table().select(columns)
        return self._dataset("weights").to_table(columns, filter=pads.field("scheme") == ALIGNED)

    def _dataset(self, table: str) -> pads.Dataset:
        step = flow.writer(table).name
        return manifests.dataset(manifests.files(self.folder / step, self.manifests[step], table))


def nights(run: Run) -> list[Night]:
    """Return the latest `pool.nights` intervals that ended before this one began and have asked the model.

    Returns:
        Oldest first.

    Raises:
        RunError: A manifest cannot be read.
        StorageError: Storage refuses.
    """
    most = run.configuration.pool.nights
    found = list[Night]()
    for folder in reversed(intervals(run.folder.parent) if most else []):
        if len(found) >= most:
            break
        if folder.name.split("-")[1] > run.interval.name.split("-")[0]:
            continue
        finished = dict(_finished(folder))
        if "generate" in finished:
            found.append(Night(folder.name, folder, finished))
    return found[::-1]


def _finished(folder: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the steps that count: a step that was made from tables that are there no more does not."""
    found = {step: manifest for step in _READ if (manifest := manifests.read(folder / step / manifests.NAME))}
    present: dict[str, str] = {}
    for step, manifest in found.items():
        if all(manifest["inputs"].get(table, digest) == digest for table, digest in present.items()):
            present |= {table: entry["digest"] for table, entry in manifest["tables"].items()}
            yield step, manifest
        elif step == "generate":
            # Sampled again since: what its batches showed is not known any more, and so is told to `carried`.
            return
