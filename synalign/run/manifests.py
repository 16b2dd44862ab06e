"""A step's `manifest.json`: reading it, and describing files and tables for it."""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as pads
import pyarrow.parquet as pq

from synalign.config import schemes
from synalign.errors import RunError, StorageError
from synalign.storage import Place
from synalign.storage.secrets import without_secrets

NAME = "manifest.json"
FORMAT = 1
ATTEMPT = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}", re.ASCII)
"""Name of an attempt's folder: when it began (UTC), and what no other has."""

_VERSIONS_OF = ("synalign", "pyspark", "torch", "numpy", "sentence-transformers", "openai", "mlflow", "apache-airflow")
_CHUNK = 2**20
_SMALL = 32 * 2**20
# Objects are read over a network: several at once.
_THREADS = 8


def read(place: Place) -> dict[str, Any] | None:
    """Return a manifest, or None where there is none.

    Raises:
        RunError: It is there but is no manifest.
        StorageError: Storage refuses.
    """
    try:
        content: dict[str, Any] = json.loads(place.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunError(
            f"{place} cannot be read: {error}.", remedy=f"remove the folder {place.parent} and run the step again"
        ) from error
    except OSError as error:
        raise StorageError(f"{place} cannot be read: {error}.", remedy="mend the storage, and ask again") from error
    if not isinstance(content, dict):
        raise RunError(
            f"{place} cannot be read: it is no object of JSON.",
            remedy=f"remove the folder {place.parent} and run the step again",
        )
    return schemes.of_manifest(content) if content.get("format") == FORMAT else None


def folder(step: Place, manifest: dict[str, Any]) -> Place:
    """Return where the tables of a step lie that a manifest beside its attempts speaks of.

    Raises:
        RunError: The manifest was tampered with.
    """
    if "attempt" not in manifest:
        # Before attempts had folders of their own, the tables lay beside the manifest.
        return step
    # Others may write where runs lie: what is read from there leads nowhere else.
    if not ATTEMPT.fullmatch(str(manifest["attempt"])):
        raise RunError(
            f"{step / NAME} names an attempt that is none.",
            cause="it was edited",
            remedy=f"remove the folder {step} and run the step again",
        )
    return step / str(manifest["attempt"])


def files(step: Place, manifest: dict[str, Any], table: str) -> list[Place]:
    """Return a table's Parquet files that the manifest names, in the order of the rows."""
    return [folder(step, manifest) / table / name for name in sorted(manifest["tables"][table]["files"])]


def read_table(places: Sequence[Place], columns: list[str] | None = None, **options: Any) -> pa.Table:
    """Parquet files as one table, rows in the order of the files.

    Args:
        places: At least one file, all in one storage.
        columns: Which columns; None: all.
        options: For `pyarrow.parquet.read_table`, such as `filters`.

    Raises:
        OSError: Storage refuses.
    """
    read = partial(_read, columns=columns, **options)
    with ThreadPoolExecutor(_THREADS) as pool:
        return pa.concat_tables(pool.map(read, places))


def dataset(places: Sequence[Place]) -> pads.Dataset:
    """Parquet files as a dataset, of which only what is asked for is held where it is large.

    Args:
        places: At least one file, all in one storage.

    Raises:
        OSError: Storage refuses.
    """
    if places[0].local is None and sum(place.size() for place in places) <= _SMALL:
        # Of small files Arrow would ask for single bytes, and not again for those that storage refused.
        return pads.dataset(read_table(places))
    system = places[0].filesystem()[0]
    return pads.dataset([place.filesystem()[1] for place in places], format="parquet", filesystem=system)


def batches(places: Iterable[Place], columns: list[str], *, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
    """Yield some columns of Parquet files in stored order; one row group is in memory at a time.

    A dataset's batches, and a file's of all its row groups, are read ahead of a slow reader.

    Args:
        places: The files.
        columns: Which columns.
        rows: At most so many in a batch.

    Raises:
        OSError: Storage refuses.
    """
    for place in places:
        with place.open_input() as stream, pq.ParquetFile(stream) as file:
            for group in range(file.num_row_groups):
                yield from file.iter_batches(rows, row_groups=[group], columns=columns)


def tables(places: Iterable[Place], columns: list[str], rows: int) -> Iterator[pa.Table]:
    """Yield some columns of Parquet files in stored order, so many rows at a time; the last table may have fewer."""
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches(places, columns):
        while batch.num_rows:
            taken = batch.slice(0, rows - count)
            held.append(taken)
            count, batch = count + taken.num_rows, batch.slice(taken.num_rows)
            if count == rows:
                yield pa.Table.from_batches(held)
                held, count = [], 0
    if count:
        yield pa.Table.from_batches(held)


def with_current_schemes(table: pa.Table) -> pa.Table:
    """Return a finished table with today's names of the weighting schemes in its columns `scheme` and `arm`."""
    for name in {"scheme", "arm"} & set(table.column_names):
        column = table[name]
        renamed = pc.if_else(pc.equal(column, schemes.FORMERLY), schemes.EQUAL, column)
        table = table.set_column(table.column_names.index(name), table.schema.field(name), renamed)
    return table


def canonical(content: Any) -> bytes:
    """JSON with sorted keys and no spaces, in UTF-8: the same content always gives the same bytes."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def file_digest(place: Place | Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with Place(place).open_input() as file, without_secrets():
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def describe(folder: Place) -> dict[str, Any]:
    """Rows, files and digest of a table. The digest is the SHA-256 of what `sha256sum` prints for its files."""
    places = folder.files("*.parquet")
    if not places:
        raise RunError(f"table {folder.name!r} was not written.", cause="a defect of the step: please report it")
    with ThreadPoolExecutor(_THREADS) as pool:
        digests = list(pool.map(file_digest, places))
    described = {
        place.name: {"sha256": digest, "bytes": place.size()} for place, digest in zip(places, digests, strict=True)
    }
    listing = "".join(f"{entry['sha256']}  {name}\n" for name, entry in described.items())
    return {
        "rows": sum(map(_rows, places)),
        "digest": hashlib.sha256(listing.encode()).hexdigest(),
        "files": described,
    }


def intact(step: Place, manifest: dict[str, Any]) -> bool:
    """Return whether every file of a step is there, with the bytes that its manifest names."""
    named = [
        (folder(step, manifest) / table / name, entry)
        for table, content in manifest["tables"].items()
        for name, entry in content["files"].items()
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        return all(pool.map(lambda each: _sound(*each), named))


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that shape a step's tables, where installed."""
    found = {"python": platform.python_version()}
    for package in _VERSIONS_OF:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _sound(place: Place, entry: dict[str, Any]) -> bool:
    try:
        return place.size() == entry["bytes"] and file_digest(place) == entry["sha256"]
    except FileNotFoundError:
        return False


def _rows(place: Place) -> int:
    with place.open_input() as file, without_secrets():
        return int(pq.read_metadata(file).num_rows)


def _read(place: Place, **options: Any) -> pa.Table:
    if place.local is not None:
        # By its path: only the columns that are asked for are read.
        return pq.read_table(place.local, partitioning=None, **options)
    with place.open_input() as file, without_secrets():
        return pq.read_table(file, **options)
