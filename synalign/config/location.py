"""Where the rows of a table are, and how they are written: files, or a table or a query of Spark."""

from __future__ import annotations

import codecs
import os
import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from synalign.config.closed import CREDENTIALS, SECRET, Closed

FILE_FORMATS = ("parquet", "csv", "jsonl", "auto")
"""Formats of files that SynAlign reads by itself."""

EPOCHS = ("epoch_seconds", "epoch_milliseconds", "epoch_microseconds", "epoch_nanoseconds")
"""Names of the time formats that are a number since 1970."""

DELIMITERS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
"""Delimiters by the names that settings and messages give them."""

_NAMES = {"\\t": "tab", **{character: name for name, character in DELIMITERS.items()}}


def _named(delimiter: Any) -> Any:
    # Before white space is taken off: a tab is a delimiter.
    return _NAMES.get(delimiter, delimiter) if isinstance(delimiter, str) else delimiter


def _one_character(delimiter: str) -> str:
    if len(delimiter) != 1 and delimiter not in ("auto", *DELIMITERS):
        raise ValueError(f"must be auto, {', '.join(DELIMITERS)} or one character")
    return delimiter


def _known_encoding(encoding: str) -> str:
    try:
        if encoding != "auto":
            " ".encode(encoding)
            codecs.lookup(encoding)
    except (LookupError, TypeError) as error:
        raise ValueError("must be auto or an encoding that Python knows, such as utf-8, utf-16 or latin-1") from error
    return encoding


def known_time_format(pattern: str) -> str:
    """Return a time format.

    Raises:
        ValueError: It is none.
    """
    if pattern in ("auto", "iso", *EPOCHS):
        return pattern
    moment = datetime(2026, 12, 31, 22, 58, 59, tzinfo=UTC)
    try:
        usable = "%" in pattern and datetime.strptime(moment.strftime(pattern), pattern).year == moment.year
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            f"must be auto, iso, {', '.join(EPOCHS)} or a strptime pattern with year, month and day, such as "
            "%d/%b/%Y:%H:%M:%S"
        )
    return pattern


_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_SECRET = r"passw|secret|token|credential|access[._]?key|account[._]?key|private[._]?key"
_SECRET_OPTION, _SECRET_WITHIN = re.compile(_SECRET, re.I), re.compile(rf"({_SECRET})\w*=", re.I)

PATH = "File or folder, relative to $SYNALIGN_HOME, or an address that Spark reads, such as s3a://bucket/folder."
Files = Annotated[str, Field(min_length=1)]
FilesFormat = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z][\w.-]*$",
        description="Of files here: parquet, csv, jsonl or auto (by ending). Of an address: those, or any other format "
        "that Spark has a reader for, such as delta, iceberg, orc or jdbc.",
    ),
]


def is_address(path: str) -> bool:
    """Tell whether a path is an address with a scheme, such as `s3a://bucket/folder`, which Spark reads."""
    return _ADDRESS.match(path) is not None


class TableFiles(Closed):
    """The files of one table and how they are written; every section that reads files has these settings."""

    table: str | None = Field(
        None, min_length=1, description="In place of path: a table or view of Spark's catalogs, such as "
        "catalog.schema.name."
    )  # fmt: skip
    sql: str | None = Field(
        None, min_length=1, description="In place of path: a query of Spark SQL. `{start}` and `{end}` in it are the "
        "bounds of the window, as timestamps; `{start:%Y%m%d}` writes one in another form.",
    )  # fmt: skip
    format: FilesFormat = "parquet"
    path: Files | None = Field(None, validate_default=True, description=PATH)
    options: dict[str, str | bool | int | float] = Field(
        {}, description="Of Spark's reader, for an address or a format of Spark's."
    )
    secret_options: dict[str, str] = Field(
        {}, description="Options that must not stand here, such as a password: the environment variable of each."
    )
    delimiter: Annotated[str, BeforeValidator(_named), AfterValidator(_one_character)] = Field(
        "auto", description="Of CSV: auto, comma, tab, semicolon, pipe, space, or one character."
    )
    quote: Literal["auto", '"', "'", "none"] = Field(
        "auto",
        description="Of CSV: what encloses fields that hold the delimiter; none: quotes are text, as in most TSV.",
    )
    encoding: Annotated[str, AfterValidator(_known_encoding)] = Field(
        "auto", description="Of CSV and JSONL: auto, or any that Python knows."
    )
    header: bool | tuple[str, ...] = Field(
        True, description="Of CSV: whether the first line has the names; a list: the names, where files have none."
    )
    compression: Literal["auto", "none", "gzip", "bzip2", "zstd", "xz"] = Field(
        "auto", description="Of CSV and JSONL; auto: by first bytes."
    )

    @field_validator("path")
    @classmethod
    def _somewhere(cls, path: str | None, known: ValidationInfo) -> str | None:
        format_ = known.data.get("format")
        if not (path or known.data.get("table") or known.data.get("sql")) and format_ in FILE_FORMATS:
            raise ValueError("must be given, or table or sql in its place")
        if path and format_ == "auto" and is_address(path):
            raise ValueError("is an address, whose format cannot be told: set format to parquet, csv, jsonl or another")
        return path

    @model_validator(mode="after")
    def _one_location(self) -> TableFiles:
        given = [name for name in ("path", "table", "sql") if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} are given, must be one of path, table and sql")
        return self

    @field_validator("options")
    @classmethod
    def _no_secrets(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            if _SECRET_OPTION.search(name) or CREDENTIALS.search(str(value)) or _SECRET_WITHIN.search(str(value)):
                # The file is read by many, and kept with every run.
                raise PydanticCustomError(
                    SECRET,
                    "must hold no login: give {name} the name of an environment variable under secret_options",
                    {"name": name},
                )
        return options

    @property
    def by_spark(self) -> bool:
        """Tell whether Spark's own readers read it: a table, a query, an address, or a format of Spark's."""
        address = self.path is not None and is_address(self.path)
        return bool(self.table or self.sql) or address or self.format not in FILE_FORMATS

    @property
    def location(self) -> str:
        """Say where its rows are, in words for messages."""
        if self.table or self.sql:
            return f"table {self.table}" if self.table else "the query of sql"
        return self.path or str(self.options.get("dbtable", self.format))

    def reader_options(self) -> dict[str, str]:
        """Return the options of Spark's reader, the secret ones from the environment.

        Raises:
            KeyError: A variable of `secret_options` is not set.
        """
        plain = {name: str(value).lower() if isinstance(value, bool) else str(value)
                 for name, value in self.options.items()}  # fmt: skip
        return {**plain, **{name: os.environ[variable] for name, variable in self.secret_options.items()}}
