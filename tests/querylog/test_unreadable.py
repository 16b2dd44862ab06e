"""Forty damaged files: each ends with exit code 3 and an error that names the file, and leaves no table."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import InputError
from synalign.querylog import unreadable
from synalign.run import Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.querylog.trial import INTERVAL, configured, write

pytestmark = pytest.mark.usefixtures("spark")


TIME = "2026-02-28T09:00:00Z"


LINES = [json.dumps({"event_time": TIME, "query": f"query {number}", "document_id": "0"}) for number in range(5000)]


JSONL = "\n".join(LINES).encode() + b"\n"


CSV = b"event_time,query,document_id\n" + b"".join(f"{TIME},query {n},0\n".encode() for n in range(50))


DRAW = random.Random(20_260_228)


def parquet(compression: str = "zstd", **columns: Any) -> bytes:
    """A Parquet file of two thousand events."""
    rows = 2000
    content = {
        "event_time": [TIME] * rows,
        "query": [f"{DRAW.random()}" for _ in range(rows)],
        "document_id": ["0"] * rows,
        **columns,
    }
    stream = io.BytesIO()
    pq.write_table(pa.table(content), stream, compression=compression, use_dictionary=False)
    return stream.getvalue()


def flipped(content: bytes, start: int, end: int, times: int = 40) -> bytes:
    """Some bytes of a range turned around."""
    changed = bytearray(content)
    for place in DRAW.sample(range(start, end), min(times, end - start)):
        changed[place] ^= 0xFF
    return bytes(changed)


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("log.csv", CSV)
    return stream.getvalue()


GOOD = parquet()


FOOTER = len(GOOD) - 8 - int.from_bytes(GOOD[-8:-4], "little")


ROWS = 2000


BULK = b"".join(b'{"index": {"_id": "%d"}}\n%s\n' % (n, line.encode()) for n, line in enumerate(LINES[:20]))


HITS = json.dumps({"took": 3, "hits": {"hits": [{"_source": json.loads(line)} for line in LINES[:5]]}}).encode()


HTML = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"


# Name of the file, its format, its content, and words of the error.
# fmt: off
CASES: dict[str, tuple[str, str, bytes, str]] = {
    "cut gzip": ("log.jsonl.gz", "jsonl", gzip.compress(JSONL)[:-3000], "not readable gzip"),
    "gzip cut in its head": ("log.jsonl.gz", "jsonl", gzip.compress(JSONL)[:15], "not readable gzip"),
    "gzip with changed bytes": (
        "log.jsonl.gz", "jsonl", flipped(gzip.compress(JSONL), 5000, 9000), "not readable gzip",
    ),
    "gzip with a wrong sum": ("log.csv.gz", "csv", gzip.compress(CSV)[:-8] + b"\0" * 8, "not readable gzip"),
    "text named gz": ("log.jsonl.gz", "jsonl", JSONL, "should be gzip"),
    "csv named gz": ("log.csv.gz", "csv", CSV, "should be gzip"),
    "cut bzip2": ("log.jsonl.bz2", "jsonl", bz2.compress(JSONL)[:-900], "not readable bzip2"),
    "bzip2 with changed bytes": ("log.csv.bz2", "csv", flipped(bz2.compress(CSV), 40, 100), "not readable bzip2"),
    "text named bz2": ("log.jsonl.bz2", "jsonl", JSONL, "should be bzip2"),
    "cut xz": ("log.jsonl.xz", "jsonl", lzma.compress(JSONL)[:-200], "not readable xz"),
    "zstd with changed bytes": ("log.csv.zst", "csv", flipped(pa.compress(CSV, "zstd", asbytes=True), 8, 60), "zstd"),
    "text named zst": ("log.csv.zst", "csv", CSV, "should be zstd"),
    "gzip in gzip": ("log.jsonl.gz", "jsonl", gzip.compress(gzip.compress(JSONL)), "log.jsonl.gz"),
    "empty parquet": ("log.parquet", "parquet", b"", "it is empty"),
    "only the magic": ("log.parquet", "parquet", b"PAR1", "not readable Parquet"),
    "cut parquet": ("log.parquet", "parquet", GOOD[:-100], "not readable Parquet"),
    "parquet without its beginning": ("log.parquet", "parquet", GOOD[100:], "log.parquet"),
    "changed footer": ("log.parquet", "parquet", flipped(GOOD, FOOTER, len(GOOD) - 8), "log.parquet"),
    "changed length of the footer": (
        "log.parquet", "parquet", GOOD[:-8] + b"\xff\xff\xff\x7fPAR1", "not readable Parquet",
    ),
    "changed magic": ("log.parquet", "parquet", GOOD[:-4] + b"PARX", "not readable Parquet"),
    "changed pages": ("log.parquet", "parquet", flipped(GOOD, 4, FOOTER, 3000), "log.parquet"),
    "pages of zeros": ("log.parquet", "parquet", GOOD[:4] + b"\0" * (FOOTER - 4) + GOOD[FOOTER:], "log.parquet"),
    "changed snappy pages": ("log.parquet", "parquet", b"", "log.parquet"),
    "html named parquet": ("log.parquet", "parquet", HTML, "an HTML or XML page"),
    "csv named parquet": ("log.parquet", "parquet", CSV, "begins with 'event_time,query"),
    "zip named parquet": ("log.parquet", "parquet", zipped(), "a ZIP archive or an Excel file"),
    "a pointer instead": ("log.parquet", "parquet", b"version https://git-lfs.github.com/spec/v1\noid x\n", "Git LFS"),
    "encrypted parquet": ("log.parquet", "parquet", GOOD[:-4] + b"PARE", "log.parquet"),
    "parquet without rows": ("log.parquet", "parquet", b"", "none of the 0 rows"),
    "binary queries": ("log.parquet", "parquet", parquet(query=[b"a"] * ROWS), "column 'query' is binary"),
    "queries in lists": ("log.parquet", "parquet", parquet(query=[["a"]] * ROWS), "column 'query' is list"),
    "queries true or false": ("log.parquet", "parquet", parquet(query=[True] * ROWS), "column 'query' is bool"),
    "times in a struct": (
        "log.parquet", "parquet", parquet(event_time=[{"a": 1}] * ROWS), "column 'event_time' is struct",
    ),
    "empty csv": ("log.csv", "csv", b"", "none of the 0 rows"),
    "csv of names only": ("log.csv", "csv", b"event_time,query,document_id\n", "none of the 0 rows"),
    "csv without names": ("log.csv", "csv", CSV.split(b"\n", 1)[1], "columns 'event_time'"),
    "two columns of one name": ("log.csv", "csv", b"event_time,query,query,document_id\n1,2,3,4\n", "is there 2 times"),
    "parquet named csv": ("log.csv", "csv", GOOD, "log.csv: is Parquet"),
    "html named csv": ("log.csv", "csv", HTML, "an HTML or XML page"),
    "zip named csv": ("log.csv", "csv", zipped(), "a ZIP archive"),
    "bytes named csv": ("log.csv", "csv", bytes(DRAW.choices(range(256), k=4000)) + b"\0" * 2000, "log.csv"),
    "latin-1": ("log.csv", "csv", CSV.replace(b"query ", b"caf\xe9 "), "is not utf-8"),
    "csv named jsonl": ("log.jsonl", "jsonl", CSV, "is not JSON Lines"),
    "html named jsonl": ("log.jsonl", "jsonl", HTML, "an HTML or XML page"),
    "a json array": (
        "log.jsonl", "jsonl", b"[" + b",\n".join(line.encode() for line in LINES[:9]) + b"]", "one JSON array",
    ),
    "a pretty json array": ("log.jsonl", "jsonl", json.dumps([{"a": 1}], indent=1).encode(), "one JSON array"),
    "a bulk request": ("log.jsonl", "jsonl", BULK, "bulk request"),
    "a response": ("log.jsonl", "jsonl", HITS, "jq -c '.hits.hits[]'"),
    "pretty json": ("log.jsonl", "jsonl", json.dumps(json.loads(LINES[0]), indent=1).encode(), "over several lines"),
    "other names": ("log.jsonl", "jsonl", b'{"ts": "2026-02-28", "q": "a", "doc": "0"}\n', "document_id: doc"),
    "times that are none": ("log.csv", "csv", CSV.replace(TIME.encode(), b"soon"), "holds 'soon'"),
    "times in two readings": ("log.csv", "csv", CSV.replace(TIME.encode(), b"02/03/2026"), "can be read as %d/%m/%Y"),
    "unclosed quotes only": ("log.csv", "csv", CSV.replace(b"Z,query", b'Z,"query'), "unclosed_quote 50"),
}
# fmt: on


def refused(home: Path, source: dict[str, Any]) -> InputError:
    """The error of an ingest that cannot be."""
    run = Run(configured(source), INTERVAL)
    with pytest.raises(InputError) as caught:
        perform(run, "ingest", ingest, source_files(run))
    assert caught.value.exit_code == 3
    assert run.manifest("ingest") is None
    assert "Traceback" not in str(caught.value)
    assert "org.apache" not in caught.value.message or len(caught.value.message) < 900
    return caught.value


@pytest.mark.parametrize("name", CASES)
def test_a_damaged_file_is_named(home: Path, name: str) -> None:
    file, format_, content, words = CASES[name]
    if name == "changed snappy pages":
        good = parquet("snappy")
        end = len(good) - 8 - int.from_bytes(good[-8:-4], "little")
        content = flipped(good, 4, end, 5000)
    if name == "parquet without rows":
        stream = io.BytesIO()
        pq.write_table(pq.read_table(io.BytesIO(GOOD)).slice(0, 0), stream)
        content = stream.getvalue()
    write(home, {file: content})
    error = refused(home, {"path": file, "format": format_})
    assert words in str(error)
    assert str(home / file) in error.message


def test_there_are_forty() -> None:
    assert len(CASES) >= 40


def _directory(home: Path) -> None:
    (home / "log" / "a.csv").mkdir(parents=True)


def _dangling(home: Path) -> None:
    write(home, {"log/b.csv": CSV})
    (home / "log" / "a.csv").symlink_to(home / "nowhere.csv")


def _pipe(home: Path) -> None:
    write(home, {"log/b.csv": CSV})
    os.mkfifo(home / "log" / "a.csv")


def _other_layout(home: Path) -> None:
    write(home, {"log/b.csv": CSV, "log/a.csv": CSV.replace(b"query,", b"term,", 1)})


def _one_damaged(home: Path) -> None:
    write(home, {"log/b.csv": CSV, "log/a.csv.gz": gzip.compress(CSV)[:-20]})


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (_directory, "has no csv file"),
        (_dangling, "a.csv: is a link to a file that is not there"),
        (_pipe, "a.csv: is no regular file"),
        (_other_layout, "a.csv: columns 'query' are missing"),
        (_one_damaged, "a.csv.gz: is not readable gzip"),
    ],
)
def test_one_wrong_file_in_a_folder_is_named(home: Path, prepare: Callable[[Path], None], words: str) -> None:
    write(home, {})
    prepare(home)
    assert words in refused(home, {"path": "log", "format": "csv"}).message


def test_a_file_that_may_not_be_read_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(home, {"log.csv": CSV})
    (home / "log.csv").chmod(0)
    if os.geteuid() == 0:
        # The system lets root read everything: it answers as it does to everybody else.
        plain = Path.open

        def refuse(path: Path, *arguments: Any, **options: Any) -> Any:
            if path.name == "log.csv":
                raise PermissionError(13, "Permission denied", str(path))
            return plain(path, *arguments, **options)

        monkeypatch.setattr(Path, "open", refuse)
    assert "log.csv: may not be read" in refused(home, {"path": "log.csv", "format": "csv"}).message


def test_damaged_documents_are_named_too(home: Path) -> None:
    write(home, {"log.csv": CSV, "d.jsonl.gz": gzip.compress(JSONL)[:-3000]})
    documents = {"path": "d.jsonl.gz", "format": "jsonl", "columns": {"text": "query"}}
    error = refused(home, {"path": "log.csv", "format": "csv", "documents": documents})
    assert "d.jsonl.gz: is not readable gzip" in error.message


PASSING = [
    "Job aborted due to stage failure: ExecutorLostFailure (executor 1 exited): [FAILED_READ_FILE.NO_HINT] x",
    "[FAILED_READ_FILE.NO_HINT] error while reading file /a.parquet. java.io.IOException: Stale file handle",
    "[FAILED_READ_FILE.FILE_NOT_EXIST] Encountered error while reading file /a.parquet",
    "java.io.IOException: No space left on device",
    "Job 3 cancelled because SparkContext was shut down",
    "java.lang.OutOfMemoryError: Java heap space",
    "something that nobody has seen before",
]


@pytest.fixture
def raising() -> Iterator[Callable[[Exception], None]]:
    def run(error: Exception) -> None:
        with unreadable.readable("/logs"):
            raise error

    yield run


@pytest.mark.parametrize("words", PASSING)
def test_what_may_pass_is_not_blamed_on_the_input(raising: Callable[[Exception], None], words: str) -> None:
    from pyspark.errors import PySparkException

    with pytest.raises(PySparkException):
        raising(PySparkException(words))


def test_a_task_that_cannot_read_a_file_is_and_one_that_fails_is_not(raising: Callable[[Exception], None]) -> None:
    from pyspark.errors import PythonException

    trace = "Traceback (most recent call last):\n  File x, line 1\n"
    with pytest.raises(InputError) as caught:
        raising(PythonException(f"{trace}synalign.errors.InputError: /a.gz: is cut.\nLikely cause: c\nWhat to do: r\n"))
    assert (caught.value.message, caught.value.cause, caught.value.remedy) == ("/a.gz: is cut.", "c", "r")
    with pytest.raises(PythonException):
        raising(PythonException(f"{trace}OSError: [Errno 5] Input/output error"))
    with pytest.raises(PythonException):
        raising(PythonException(f"{trace}ValueError: [FAILED_READ_FILE] a fault of ours"))
