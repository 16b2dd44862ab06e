"""The memory that a table takes in the driver, and the refusal of one that is too large.

Most steps hold only some rows of a table on the driver, or a part of it at a time. What is read as a whole passes here
first, so that a log that has grown is refused in words, before any work, and not by the operating system in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import psutil
import pyarrow.parquet as pq

from synalign.errors import RunError
from synalign.storage import Place
from synalign.storage.secrets import without_secrets

GIB = 2**30
_LEAST_BYTES = 8
# What a container may use at most: cgroup version 2, then 1.
_CONTAINER = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def require(files: Sequence[Place], columns: Sequence[str] | None, what: str, gib: float | None) -> None:
    """Refuse a table that is too large for the driver; only its files' footers are read.

    Args:
        files: The table's files.
        columns: Which columns are to be read; None: all.
        what: The table, in words.
        gib: `runtime.driver_memory_gib`.

    Raises:
        RunError: It takes more than that.
    """
    bytes_, most = needed(files, columns), limit(gib)
    if bytes_ > most:
        raise RunError(
            f"{what} takes {bytes_} bytes of the driver's memory, more than {most}.",
            cause="the query log or the collection has grown, and the step needs all of that table at once",
            remedy="run the driver where there is more memory or raise runtime.driver_memory_gib; or narrow "
            "source.window_days",
        )


def needed(files: Sequence[Place], columns: Sequence[str] | None) -> int:
    """Bytes of a table's columns in memory, about: as they lie in the files before compression, at least 8 a value.

    Text that repeats lies there once per row group, and may take more.
    """
    return sum(_needed(file, columns) for file in files)


def limit(gib: float | None) -> int:
    """Bytes that one table may take: as the setting says, or half of what this machine or container has."""
    return int(gib * GIB) if gib is not None else total() // 2


def total() -> int:
    """Bytes of memory that this machine has, or that its container may use."""
    return min([psutil.virtual_memory().total, *filter(None, map(_stated, _CONTAINER))])


def _stated(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:
        return None
    # `max`: no limit.
    return int(text) if text.isdecimal() else None


def _needed(file: Place, columns: Sequence[str] | None) -> int:
    # By the place's own reading: Arrow does not ask again for a few bytes that a storage refused for a moment.
    with file.open_input() as stream, without_secrets():
        footer = pq.read_metadata(stream)
    found = 0
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for place in range(group.num_columns):
            column = group.column(place)
            if columns is None or column.path_in_schema.split(".")[0] in columns:
                found += max(column.total_uncompressed_size, _LEAST_BYTES * group.num_rows)
    return found
