"""Errors of Spark, the JVM, Arrow and decompressors about input files, as `InputError`; others pass unchanged.

A lost executor, a full disk, storage that is away or a fault in SynAlign may be gone the next time: those errors are
passed on as they are, and are tried again. A damaged file will be as damaged in a minute.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from synalign.errors import InputError

# Of the machine, the network or the cluster, whatever else the error says: they win.
_PASSING = re.compile(
    r"No space left on device|Disk quota exceeded|Input/output error|Stale file handle|Read-only file system"
    r"|Too many open files|Transport endpoint|Connection (?:refused|reset|timed out)|UnknownHostException"
    r"|SocketTimeoutException|ExecutorLostFailure|Executor heartbeat timed out|FILE_NOT_EXIST|OutOfMemoryError"
    r"|TaskKilled|Job \d+ cancelled|SparkContext was shut down|Python worker (?:exited|failed to connect)"
)
# Of a file's content: what Spark calls it, and what its readers throw.
_OF_INPUT = re.compile(
    r"\[(?:FAILED_READ_FILE|CANNOT_READ_FILE_FOOTER|PARQUET_|UNABLE_TO_INFER_SCHEMA|PATH_NOT_FOUND|CANNOT_MERGE_SCHEMA"
    r"|FAILED_MERGE_SCHEMA|MALFORMED_|INVALID_UTF8|UNSUPPORTED_FEATURE\.PARQUET|CANNOT_RECOGNIZE)"
    r"|is not a Parquet file|ParquetDecodingException|ParquetCryptoRuntimeException|ParquetCorruption"
    r"|SchemaColumnConvertNotSupportedException|Could not read footer|could not read page|Can not read value"
    r"|FAILED_TO_UNCOMPRESS|PARSING_ERROR|SnappyError|ZstdException|LZ4Exception|ZipException|MalformedInputException"
)
_WORKER = re.compile(
    r"^synalign\.errors\.InputError: (?P<message>.*?)(?:\nLikely cause: (?P<cause>.*?))?"
    r"(?:\nWhat to do: (?P<remedy>.*?))?(?=\n\s*\n|\n\s+at |\n\S*Exception|\n*\Z)",
    re.MULTILINE | re.DOTALL,
)
_FILE = re.compile(r"(?:file|reading file|path)[: ]+(?:\w+:)?(/[^\s:]+\.\w+)")


@contextmanager
def readable_text(path: str, compression: str) -> Iterator[None]:
    """Turn what reading a damaged text file raises while the block runs into an `InputError`.

    Raises:
        InputError: The file cannot be read to its end.
        OSError: The system failed: a disk or a network.
    """
    try:
        yield
    except (EOFError, zlib.error, lzma.LZMAError, pa.ArrowInvalid, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        what = "text" if compression == "none" else compression
        raise InputError(
            f"{path}: is not readable {what}: {str(error)[:200] or type(error).__name__}.",
            cause="a half-written upload or a damaged copy",
            remedy="write the file again",
        ) from error


@contextmanager
def readable(what: str, *, cause: str = "", remedy: str = "write the file again") -> Iterator[None]:
    """Turn errors about input while the block runs into an `InputError`, which Airflow does not retry.

    Args:
        what: The input, for messages that name no file: a path.
        cause: The likely cause.
        remedy: What to do.

    Raises:
        InputError: A file cannot be read.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError, pa.ArrowException) as error:
        found = of_input(error, what, cause=cause, remedy=remedy)
        if found is None:
            raise
        raise found from error


def of_input(error: BaseException, what: str, *, cause: str = "", remedy: str = "") -> InputError | None:
    """Return the `InputError` that an error stands for; None where the input is not to blame."""
    text = str(error)
    told = _WORKER.search(text)
    if told is not None:
        return InputError(told["message"], cause=told["cause"] or "", remedy=(told["remedy"] or "").rstrip())
    if type(error).__name__ == "PythonException" or _PASSING.search(text):
        return None
    lines = [line for line in text.splitlines() if _OF_INPUT.search(line)]
    if not lines:
        return None
    line = lines[0].strip()
    file = _FILE.search(text)
    return InputError(
        f"{file[1] if file else what}: cannot be read: {line[max(0, line.find('[')) :][:500]}",
        cause=cause or "a damaged file: a half-written upload, or bytes that were changed on the way",
        remedy=remedy,
    )
