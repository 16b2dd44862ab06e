"""Inputs of a refresh as MLflow's datasets: of files, tables and queries alike, each with a digest."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mlflow.entities import Dataset, DatasetInput, InputTag

from synalign.config import resolve
from synalign.tables import content_id

Kind = Literal["files", "table", "query"]

# MLflow's column for a dataset's digest holds 36 characters; the whole one goes into a tag of the input.
_DIGEST_CHARACTERS = 36
_LONGEST = 60_000
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# As MLflow calls what it keeps artefacts in; what it does not know is shown and cannot be loaded by it.
_STORES = {"s3a": "s3", "s3n": "s3", "abfs": "abfss"}
_DELTA = re.compile(r"delta version (\d+)")


def dataset(
    name: str, digest: str, kind: Kind, location: str, context: str, *, version: str = "",
    fields: Sequence[Mapping[str, Any]] = (), rows: int | None = None,
) -> DatasetInput:  # fmt: skip
    """Return a dataset of a run.

    Args:
        name: Its name.
        digest: Changes with its content.
        kind: Of `location`: where files are, the name of a table of Spark's catalogs, or a query of Spark SQL.
        location: Where its rows are.
        context: What the run did with it.
        version: What its system calls this state of it, such as `delta version 12`; empty where it has no word.
        fields: Columns, as MLflow describes them; none: not known.
        rows: How many it has; None: not known.
    """
    source_type, source = _source(kind, location, version)
    made = Dataset(
        name=name,
        digest=digest[:_DIGEST_CHARACTERS],
        source_type=source_type,
        source=json.dumps(source),
        schema=json.dumps({"mlflow_colspec": list(fields)}) if fields else None,
        profile=json.dumps({"num_rows": rows}) if rows is not None else None,
    )
    tags = {"mlflow.data.context": context, "sha256": digest, **({"version": version} if version else {})}
    return DatasetInput(made, [InputTag(key, value) for key, value in tags.items()])


def _source(kind: Kind, location: str, version: str) -> tuple[str, dict[str, Any]]:
    """Return type and content of a source, as the classes of `mlflow.data` read them back."""
    if kind == "query":
        return "spark", {"sql": location[:_LONGEST]}
    delta = _DELTA.fullmatch(version)
    if kind == "table":
        if delta is None:
            return "spark", {"table_name": location}
        return "delta_table", {"delta_table_name": location, "delta_table_version": int(delta[1])}
    if delta is not None:
        return "delta_table", {"path": location, "delta_table_version": int(delta[1])}
    scheme = _SCHEME.match(location)
    if scheme is None:
        return "local", {"uri": location}
    store = _STORES.get(scheme[1], scheme[1])
    return store, {"uri": f"{store}://{location[scheme.end() :]}"}


def sources(configuration: Mapping[str, Any], outside: Mapping[str, str]) -> list[DatasetInput]:
    """Return what a refresh read from outside: its log and its documents, or its texts.

    Args:
        configuration: Of the refresh, as plain data.
        outside: What the step *ingest* read, by name: a file's path and SHA-256, or a table and its version.
    """
    log = configuration.get("source")
    if not log:
        return []
    found, left = [], dict(outside)
    parts = {"documents source": log.get("documents"), "log source": log}
    for name, part in parts.items():
        place = _place(part) if part else None
        if place is None:
            continue
        kind, location = place
        read = {key: value for key, value in left.items() if name == "log source" or _within(key, part, location)}
        left = {key: value for key, value in left.items() if key not in read}
        digest = content_id(*(f"{key} {value}" for key, value in sorted(read.items())))
        version = next(iter(read.values())) if (len(read) == 1 and kind != "files") or _delta(read) else ""
        found.append(dataset(name, digest, kind, location, "read from outside", version=version))
    return found


def _place(part: Mapping[str, Any]) -> tuple[Kind, str] | None:
    if part.get("table"):
        return "table", str(part["table"])
    if part.get("sql"):
        return "query", str(part["sql"])
    path = part.get("path")
    if not path:
        return None
    return "files", path if _SCHEME.match(path) else str(resolve(path))


def _within(key: str, part: Mapping[str, Any], location: str) -> bool:
    """Return whether a name of what was read belongs to the documents: `documents: table a.b`, or a file's path."""
    named = key.rpartition(": ")[2]
    if part.get("table"):
        return named == f"table {part['table']}"
    if part.get("sql"):
        return "document" in key.rpartition(": ")[0]
    return named == location or named.startswith(f"{location}/") or str(resolve(named)) == location


def _delta(read: Mapping[str, str]) -> bool:
    return len(read) == 1 and all(map(_DELTA.fullmatch, read.values()))
