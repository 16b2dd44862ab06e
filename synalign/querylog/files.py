"""Which files a table is made of, what their first bytes say they are, and how they are opened."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
from pathlib import Path
from typing import IO, Any, NamedTuple, cast
from urllib.parse import unquote

import pyarrow as pa

from synalign.config import resolve
from synalign.config.location import TableFiles
from synalign.errors import InputError, listed

ENDINGS = {
    "parquet": (".parquet", ".pq", ".parq"),
    "csv": (".csv", ".tsv", ".txt", ".tab", ".psv"),
    "jsonl": (".jsonl", ".json", ".ndjson", ".jsonlines"),
}
_CODECS = {"gzip": (".gz", ".gzip"), "bzip2": (".bz2",), "zstd": (".zst", ".zstd"), "xz": (".xz",)}
_MAGIC = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "zstd": b"\x28\xb5\x2f\xfd", "xz": b"\xfd7zXZ"}
_OPENERS: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
_PARTITION = re.compile(r"([^/=]+)=([^/]*)")
_NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"

# What files are that people take for a table, by their first bytes.
_OTHERS = (
    (b"PAR1", "Parquet"),
    (b"PK\x03\x04", "a ZIP archive or an Excel file"),
    (b"\xd0\xcf\x11\xe0", "an Excel file"),
    (b"%PDF", "a PDF"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"SQLite format 3", "an SQLite database"),
    (b"ARROW1", "Arrow IPC (Feather)"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
)


class Table(NamedTuple):
    """A table of the configuration that is read from files.

    Attributes:
        name: Its name in messages: `query log`, `documents`.
        section: The section of the YAML that describes it; empty for a BEIR folder, which has none.
        files: Where its files are and how they are written, as configured.
    """

    name: str
    section: str
    files: TableFiles

    @property
    def root(self) -> Path:
        """The file or folder."""
        return resolve(self.files.path or "")

    def remedy(self, setting: str) -> str:
        """Return what to type for a setting such as `format: csv`; a BEIR folder has no settings."""
        return f"set {self.section}.{setting}" if self.section else "write the file again"


def files_of(table: Table) -> tuple[str, list[Path], list[str]]:
    """Return the format of a table, its files, and the names of files in its folder that are left out.

    Of a folder, the files with the format's endings that are not hidden or bookkeeping; where no file there has a
    known ending, those without any, as Hadoop and Hive write them.

    Raises:
        InputError: There is none, or the format cannot be told.
    """
    path = table.root
    if not path.is_dir():
        return _format(table, [require_file(path)]), [path], []
    there = [
        require_file(file)
        for file in sorted(path.rglob("*"))
        if not file.is_dir() and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    ]
    format_ = _format(table, [file for file in there if _format_of(file)] or there)
    found = [file for file in there if _format_of(file) == format_]
    if not found and format_ != "parquet":
        found = [file for file in there if not file.suffix]
    if not found:
        others = f"; it has {listed([file.name for file in there])}" if there else ""
        raise InputError(
            f"{path}: has no {format_} file{others}.", remedy=f"check the path, or {table.remedy('format')}"
        )
    return format_, found, [file.name for file in there if file not in set(found)]


def _format(table: Table, files: list[Path]) -> str:
    if table.files.format != "auto":
        return table.files.format
    formats = {_format_of(file) for file in files}
    if len(formats) != 1 or None in formats:
        raise InputError(
            f"{table.root}: its format cannot be told from the names {listed([file.name for file in files])}.",
            cause="no known ending, or files of several formats",
            remedy=table.remedy("format: parquet, csv or jsonl"),
        )
    return str(formats.pop())


def _format_of(file: Path) -> str | None:
    name = file.name.lower()
    for ending in (ending for endings in _CODECS.values() for ending in endings):
        name = name.removesuffix(ending)
    return next((format_ for format_, endings in ENDINGS.items() if name.endswith(endings)), None)


def require_file(path: Path) -> Path:
    """Return the path of a regular file that can be opened.

    Raises:
        InputError: It is not there, is none, or this process may not read it.
    """
    if path.is_symlink() and not path.exists():
        raise InputError(f"{path}: is a link to a file that is not there.", remedy="write the file again, or remove it")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, must be a file.", remedy="check the path in the retriever's YAML")
    if not path.is_file():
        if path.exists():
            raise InputError(f"{path}: is no regular file.", remedy="write its content into a file")
        raise InputError(
            f"{path}: there is no such file.",
            remedy="check the path in the retriever's YAML; a relative one starts at $SYNALIGN_HOME",
        )
    try:
        path.open("rb").close()
    except PermissionError as error:
        raise InputError(
            f"{path}: may not be read: {error.strerror}.", remedy="let the user that runs the job read it"
        ) from error
    return path


def compression_of(table: Table, file: Path) -> str:
    """Return how a text file is compressed: `none`, or one of the codecs.

    Raises:
        InputError: Its name, or the setting, says another codec than its first bytes.
    """
    with file.open("rb") as stream:
        first = stream.read(8)
    codec = next((codec for codec, magic in _MAGIC.items() if first.startswith(magic)), "none")
    named = next((codec for codec, endings in _CODECS.items() if file.name.lower().endswith(endings)), "none")
    wanted = named if table.files.compression == "auto" else table.files.compression
    if first and codec != wanted and (wanted != "none" or table.files.compression == "none"):
        what = f"compressed with {codec}" if codec != "none" else f"not compressed: it begins with {shown(first)}"
        raise InputError(
            f"{file}: should be {'uncompressed' if wanted == 'none' else wanted}, and is {what}.",
            cause="a name that does not fit, or a download that failed",
            remedy=f"write the file again, or {table.remedy('compression')} and name the file for what it is",
        )
    return codec


def opened(path: str | Path, compression: str) -> IO[bytes]:
    """Open a text file; its bytes are decompressed as they are read."""
    if compression == "zstd":
        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"))
    return cast(IO[bytes], _OPENERS.get(compression, open)(path, "rb"))


def other_kind(head: bytes) -> str | None:
    """Tell from its first bytes what a file is that is no text table; None where they are not known."""
    start = head.lstrip()[:200].lower()
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"<error")):
        return "an HTML or XML page, perhaps of a download that failed"
    return next((kind for magic, kind in _OTHERS if head.startswith(magic)), None)


def shown(head: bytes) -> str:
    """Quote the first bytes of a file for a message."""
    return repr(head[:40].decode("utf-8", "backslashreplace"))


def partitions_of(path: str | Path, below: str | Path) -> dict[str, str | None]:
    """Return the values of the folders named `column=value` between a folder and a file in it, as Hive writes them."""
    folders = str(Path(path).parent.relative_to(below)) if Path(path) != Path(below) else ""
    found = {name: unquote(value) for name, value in _PARTITION.findall(folders)}
    return {name: None if value in ("", _NULL_PARTITION) else value for name, value in found.items()}
