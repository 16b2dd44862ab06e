"""The embedding cache: vectors of texts seen before, as Parquet beside the runs.

    $SYNALIGN_HOME/embeddings/<model>-<precision>-<what decides its vectors>/part-<digest of the file>.parquet

Files are only ever added. A file is written under a hidden name and gets its own as its last act, so that a killed
task leaves nothing that counts, and a killed step leaves what its finished tasks wrote: the next attempt goes on from
there. Two runs at once may add the same text twice; its vectors are equal, and the file whose name sorts first is used.

Its name tells whether a file is whole. A damaged one is set aside with a warning and its texts are embedded again.
Nothing is ever removed: the folder grows by about 4 d + 40 bytes a text (1.6 GB per million at d = 384). Deleting it,
or any file in it, is safe while no step embeds, and costs only the time to embed again.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import functions as F

from synalign.config import home

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

# `text_id`: the content id of the text (`synalign.tables.content_id`); `embedding`: a unit row of float32.
SCHEMA = pa.schema([pa.field("text_id", pa.string()), pa.field("embedding", pa.list_(pa.float32()))])
_SPARK_SCHEMA = "text_id string, embedding array<float>"


def root() -> Path:
    """The folder of all caches."""
    return home() / "embeddings"


def sound_files(folder: Path) -> list[Path]:
    """The files of a cache that have the bytes they were written with; damaged ones are set aside.

    Reads every file once (about a second per GB): a vector that decayed on disk would show nowhere else.
    """
    found = []
    for path in sorted(folder.glob("part-*.parquet")):
        if path.name == f"part-{_digest(path)}.parquet":
            found.append(path)
            continue
        log.warning("%s is damaged: it is set aside, and its texts are embedded again", path)
        # Another run may have done so in the same moment.
        with suppress(FileNotFoundError):
            path.rename(path.with_name(f".damaged-{path.name}"))
    return found


def read(spark: SparkSession, folder: Path) -> DataFrame:
    """What a cache holds: `text_id`, `embedding` and `file`; a text may stand in two files."""
    paths = [str(path) for path in sound_files(folder)]
    if not paths:
        return spark.createDataFrame([], f"{_SPARK_SCHEMA}, file string")
    return spark.read.schema(_SPARK_SCHEMA).parquet(*paths).withColumn("file", F.col("_metadata.file_name"))


def add(folder: Path, content: pa.Table, about: dict[str, str]) -> None:
    """Add texts with their vectors, as one file. Safe in any number of processes at once, and against being killed.

    Args:
        folder: The cache; made where it is missing.
        content: Columns `text_id` and `embedding`.
        about: Goes into the file's schema: a file that went astray still says what made it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".draft-{uuid.uuid4().hex}"
    try:
        schema = SCHEMA.with_metadata(about)
        pq.write_table(content.select(SCHEMA.names).cast(schema), draft, compression="zstd")
        with open(draft, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(draft, folder / f"part-{_digest(draft)}.parquet")
    finally:
        draft.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    # BLAKE2b: several times faster than SHA-256 where the CPU has no instructions for the latter.
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
