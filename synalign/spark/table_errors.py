"""What Spark says of a table that it cannot read or write, as an error of ours that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from synalign.errors import InputError, SetupError, SynAlignError

_MISSING_CLASS = re.compile(
    r"Class (\S+) not found|ClassNotFoundException: (\S+)|No suitable driver|\[DATA_SOURCE_NOT_FOUND\]"
    r"|UnsupportedFileSystemException|No FileSystem for scheme"
)
_JARS = (
    ("s3", "org.apache.hadoop:hadoop-aws"), ("abfs", "org.apache.hadoop:hadoop-azure"), ("gs:", "gcs-connector"),
    ("delta", "io.delta:delta-spark"), ("iceberg", "org.apache.iceberg:iceberg-spark-runtime"),
    ("jdbc", "the database's JDBC driver"),
)  # fmt: skip
_OF_THE_TABLE = re.compile(
    r"^\s*\[?(TABLE_OR_VIEW_NOT_FOUND|PATH_NOT_FOUND|PARSE_|UNRESOLVED_|UNABLE_TO_INFER_SCHEMA|INVALID_|SCHEMA_NOT_FOUND"
    r"|CATALOG_NOT_FOUND|REQUIRES_SINGLE_PART_NAMESPACE|DATATYPE_MISMATCH|AMBIGUOUS_|MISSING_|NOT_A_|UNSUPPORTED_"
    r"|INSUFFICIENT_|FAILED_JDBC|CANNOT_READ|FAILED_READ)|AnalysisException|PSQLException|AccessControlException"
    r"|permission denied|AccessDenied",
    re.IGNORECASE,
)


@contextmanager
def understood(what: str, setting: str, reader: str = "") -> Iterator[None]:
    """Turn what Spark says of a table while the block runs into an error of ours; other errors pass.

    Args:
        what: The table, for messages.
        setting: The key of the YAML that names it.
        reader: Format and address of the table, which tell the jar that Spark may lack.

    Raises:
        InputError: There is no such table, or it may not be used.
        SetupError: Spark lacks a jar.
    """
    try:
        yield
    except SynAlignError:
        raise
    except (PySparkException, Py4JJavaError) as error:
        text = str(error)
        if _MISSING_CLASS.search(text):
            sign = f"{reader} {text}".lower()
            jar = next((jar for part, jar in _JARS if part in sign), "the connector")
            raise SetupError(
                f"{what}: Spark has no reader for it: {_first_line(text)}.",
                remedy=f"give Spark {jar}, in the version of your Spark and Hadoop: spark.jars.packages in "
                "spark-defaults.conf, in the Spark connection, or on the Spark Connect server",
            ) from error
        if not _OF_THE_TABLE.search(text):
            raise
        raise InputError(
            f"{what}: Spark refuses it: {_first_line(text)}.",
            cause="a name that this Spark's catalogs do not have, a path that is not there, a query that is no SQL, or "
            "a right that is missing",
            remedy=f"check {setting}; `spark-sql` on the same cluster tries it",
        ) from error


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines[0] if lines else "no reason is given")[:300].rstrip(".")
