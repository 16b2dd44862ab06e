"""The Parquet files of a training set, read in parts: a row group at a time is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from synalign.errors import InputError
from synalign.retriever.examples import ROWS_AT_ONCE, Example, columns_for, examples, negative_columns
from synalign.run import manifests
from synalign.storage import Place


class SetFiles(NamedTuple):
    """A training set as files.

    Attributes:
        files: At least one Parquet file, in the order of the rows.
        schema: The columns of the first; the others have the same.
        rows: How many there are, of all splits.
    """

    files: list[Place]
    schema: pa.Schema
    rows: int

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield some columns, in the order of the rows.

        Raises:
            InputError: A file cannot be read.
        """
        with readable(self.files[0]):
            yield from manifests.batches(self.files, columns, rows=ROWS_AT_ONCE)

    def examples(self, negatives: int | None = None, *more: str) -> Iterator[Example]:
        """Yield the rows of the split `train` as examples; see `synalign.retriever.examples.examples`.

        Args:
            negatives: How many negatives at most; None: all that the set has.
            more: Columns to read beside those that every set has.
        """
        count = negative_columns(self.schema.names, negatives)
        return examples(self.batches(columns_for(self.schema.names, count, *more)), count)


def open_files(place: Place) -> SetFiles:
    """Open a training set.

    Args:
        place: A Parquet file, or a folder of them.

    Raises:
        InputError: There is none, or it cannot be read.
    """
    with readable(place):
        files = [place] if place.is_file() else place.files("*.parquet")
        if not files:
            raise InputError(f"{place} does not exist, or holds no Parquet file.")
        return of_files(files)


def of_files(files: list[Place]) -> SetFiles:
    """Open the files of a training set.

    Raises:
        InputError: One cannot be read, or has other columns than the first.
    """
    with readable(files[0]):
        heads = [_head(file) for file in files]
    schema = heads[0][0]
    for file, (other, _) in zip(files, heads, strict=True):
        if set(other.names) != set(schema.names):
            raise InputError(
                f"{file} has other columns than {files[0].name}, must be of the same training set.",
                cause="a folder with files of several sets",
            )
    return SetFiles(files, schema, sum(rows for _, rows in heads))


def _head(file: Place) -> tuple[pa.Schema, int]:
    with file.open_input() as stream, pq.ParquetFile(stream) as opened:
        return opened.schema_arrow, opened.metadata.num_rows


@contextmanager
def readable(place: Place) -> Iterator[None]:
    """Turn errors of reading into one that names the place.

    Raises:
        InputError: It cannot be read.
    """
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{place} cannot be read as a training set: {error}.") from error
