"""The embedding cache: vectors of texts seen before, as Parquet beside the runs.

    <base>/embeddings/<model>-<precision>-<what decides its vectors>/part-<digest of the file>.parquet

Files are only ever added. A file is written as a whole, under the name of its content, so that a killed task leaves
nothing that counts, and a killed step leaves what its finished tasks wrote: the next attempt goes on from there. Two
runs at once may add the same text twice; its vectors are equal, and the file whose name sorts first is used.

Its name tells whether a file is sound. On a file system a damaged one is set aside with a warning and its texts are
embedded again; object storage checks what it keeps by itself. Nothing is ever removed: the folder grows by about
4 d + 40 bytes a text (1.6 GB per million at d = 384). Deleting it, or any file in it, is safe while no step embeds, and
costs only the time to embed again.
"""

from __future__ import annotations

import hashlib
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import functions as F

from synalign import storage
from synalign.spark.remote import parallelism
from synalign.spark.tables import Piece, read_pieces, url
from synalign.storage import Place

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

log = logging.getLogger(__name__)

# `text_id`: the content id of the text (`synalign.tables.content_id`); `embedding`: a unit row of float32.
SCHEMA = pa.schema([pa.field("text_id", pa.string()), pa.field("embedding", pa.list_(pa.float32()))])
_SPARK_SCHEMA = "text_id string, embedding array<float>"


def root() -> Place:
    """Return the folder of all caches."""
    return storage.base() / "embeddings"


def sound_files(folder: Place) -> list[Place]:
    """Return the files of a cache whose bytes are unchanged, and rename the damaged ones.

    On a file system every file is read once (about a second per GB): a vector that decayed on disk would show nowhere
    else.
    """
    files = folder.files("part-*.parquet")
    return [file for file in files if file.local is None or _is_sound(file.local)]


def _is_sound(path: Path) -> bool:
    with open(path, "rb") as file:
        if path.name == _name(hashlib.file_digest(file, _digest).hexdigest()):
            return True
    log.warning("%s is damaged: it is set aside, and its texts are embedded again", path)
    # Another run may have done so in the same moment.
    with suppress(FileNotFoundError):
        path.rename(path.with_name(f".damaged-{path.name}"))
    return False


def read(spark: SparkSession, folder: Place) -> DataFrame:
    """Return the rows of a cache: `text_id`, `embedding` and `file`. A text may be in two files."""
    files = sound_files(folder)
    if not files:
        return spark.createDataFrame([], f"{_SPARK_SCHEMA}, file string")
    if folder.local is not None:
        frame = spark.read.schema(_SPARK_SCHEMA).parquet(*map(url, files))
        return frame.withColumn("file", F.col("_metadata.file_name"))
    # Files are small: a task reads many.
    tasks = min(len(files), 4 * parallelism(spark))
    work = [[Piece(file, None) for file in files[part::tasks]] for part in range(tasks)]
    return read_pieces(spark, work, SCHEMA.append(pa.field("file", pa.string())))


def add(folder: Place, content: pa.Table, about: dict[str, str]) -> None:
    """Add texts with their vectors, as one file. Safe in any number of processes at once, and against being killed.

    Args:
        folder: The cache; made where it is missing.
        content: Columns `text_id` and `embedding`; held in memory twice.
        about: Goes into the file's schema: a file that went astray still says what made it.
    """
    written = pa.BufferOutputStream()
    pq.write_table(content.select(SCHEMA.names).cast(SCHEMA.with_metadata(about)), written, compression="zstd")
    whole = written.getvalue().to_pybytes()
    (folder / _name(_digest(whole).hexdigest())).write_bytes(whole)


def _name(digest: str) -> str:
    return f"part-{digest}.parquet"


def _digest(content: bytes = b"") -> hashlib.blake2b:
    # BLAKE2b: several times faster than SHA-256 where the CPU has no instructions for the latter.
    return hashlib.blake2b(content, digest_size=16)
