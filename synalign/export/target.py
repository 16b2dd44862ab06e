"""The folder that a training set is exported to: new, or one that an export made before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synalign.errors import ConfigurationError, StorageError
from synalign.storage import Place

CARD = "README.md"
MARK = "<!-- synalign export -->"
"""What the card of every export has, and so tells that a folder may be replaced."""

_ROWS = 1024


class Target:
    """A folder, of files that are written row by row.

    Args:
        place: The folder.
        overwrite: Whether an earlier export there is replaced.

    Raises:
        ConfigurationError: Something is there that must not be replaced.
        StorageError: Storage refuses.
    """

    def __init__(self, place: Place, *, overwrite: bool = False) -> None:
        self.place = place
        with _storage(place):
            self._make_room(overwrite)
            # An export that is killed leaves what the next one may replace.
            (place / CARD).write_text(f"{MARK}\n\nThis export was not finished.\n")

    @contextmanager
    def lines(self, name: str) -> Iterator[Callable[[str], None]]:
        """Write a text file; the context gives a function that adds a line."""
        with _storage(self.place), (self.place / name).open_output() as file:
            yield lambda line: _write(file, line)

    @contextmanager
    def objects(self, name: str) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Write lines of JSON; the context gives a function that adds an object."""
        with self.lines(name) as line:
            yield lambda content: line(json.dumps(content, ensure_ascii=False, allow_nan=False))

    @contextmanager
    def table(self, name: str, schema: pa.Schema) -> Iterator[Callable[[dict[str, Any]], None]]:
        """Write a Parquet file; the context gives a function that adds a row."""
        rows: list[dict[str, Any]] = []
        with self.batches(name, schema) as write:

            def add(row: dict[str, Any]) -> None:
                rows.append(row)
                if len(rows) == _ROWS:
                    write(pa.RecordBatch.from_pylist(rows, schema))
                    rows.clear()

            yield add
            if rows:
                write(pa.RecordBatch.from_pylist(rows, schema))

    @contextmanager
    def batches(self, name: str, schema: pa.Schema) -> Iterator[Callable[[pa.RecordBatch], None]]:
        """Write a Parquet file; the context gives a function that adds a batch."""
        with _storage(self.place), (self.place / name).open_output() as file, pq.ParquetWriter(file, schema) as writer:
            yield writer.write_batch

    def finish(self, card: str) -> None:
        """Write the card, which says that the export is whole."""
        with _storage(self.place):
            (self.place / CARD).write_text(f"{card.rstrip()}\n\n{MARK}\n")

    def _make_room(self, overwrite: bool) -> None:
        place = self.place
        if place.is_file():
            raise ConfigurationError(f"--out: {place} is a file, must be a folder.", remedy="name another folder")
        if next(iter(place.tree()), None) is None:
            place.make()
            return
        if not overwrite:
            raise ConfigurationError(
                f"--out: {place} is not empty.",
                cause="an earlier export, or a folder of something else",
                remedy="name another folder, or --overwrite to replace an earlier export",
            )
        card = place / CARD
        if not card.is_file() or MARK not in card.read_text():
            raise ConfigurationError(
                f"--out: {place} holds no export of SynAlign, must not be replaced.",
                cause="the folder is of something else",
                remedy="name another folder, or empty this one yourself",
            )
        place.remove()
        place.make()


def _write(file: Any, line: str) -> None:
    file.write(line.encode("utf-8"))
    file.write(b"\n")


@contextmanager
def _storage(place: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{place} cannot be written: {error}.", remedy="make room or give permission, and export again"
        ) from error
