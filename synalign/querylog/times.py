"""Formats of times in logs: guessed from samples, and read as timestamps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import pandas as pd
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import TimestampType

from synalign.config.location import EPOCHS
from synalign.errors import InputError

ISO = "iso"
SHARE = 0.1
"""Of the times of a file's sample, that a format must explain to be taken for one of the file's."""

_ISO = re.compile(r"\d{4}-\d{1,2}(-\d{1,2})?([T ].*)?", re.ASCII | re.DOTALL)
_DIGITS = {9: 0, 10: 0, 12: 1, 13: 1, 15: 2, 16: 2, 18: 3, 19: 3}
_EPOCH = re.compile(r"(\d{9,19})(\.\d*)?", re.ASCII)
_TAILS = (
    "", " %H:%M:%S", " %H:%M", " %H:%M:%S.%f", " %I:%M:%S %p", " %I:%M %p", ", %H:%M:%S", ", %H:%M",
    ", %I:%M:%S %p", ", %I:%M %p", "T%H:%M:%S",
)  # fmt: skip
_DATES = ("%Y/%m/%d", "%d.%m.%Y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%Y.%m.%d", "%Y%m%d")
_PATTERNS = (
    *(date + tail for date in _DATES for tail in _TAILS),
    "%Y%m%d%H%M%S", "%Y%m%d%H%M", "%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S",
    "%d/%b/%Y:%H:%M:%S %z", "%d/%b/%Y:%H:%M:%S", "[%d/%b/%Y:%H:%M:%S %z]", "%d/%b/%Y", "%d/%b/%Y %H:%M:%S",
    "%b %d, %Y @ %H:%M:%S.%f", "%b %d, %Y @ %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y", "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S UTC %Y",
)  # fmt: skip
_DAY_OR_MONTH_FIRST = tuple(
    (f"%d{mark}%m{mark}{year}{tail}", f"%m{mark}%d{mark}{year}{tail}")
    for mark in "/-"
    for year in ("%Y", "%y")
    for tail in _TAILS
)
_LENGTH = {"%Y%m%d": 8, "%Y%m%d%H%M%S": 14, "%Y%m%d%H%M": 12}
_HOUR = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])", re.ASCII)


class Guess(NamedTuple):
    """The formats of a column of times.

    Attributes:
        formats: `iso`, `epoch_...` or strptime patterns; a value is read by the first that fits it.
        said: In words for people.
    """

    formats: tuple[str, ...]
    said: str = ""


class Samples(NamedTuple):
    """Some times of one file.

    Attributes:
        file: The file.
        column: The column's name.
        values: Its values in the file's head, as text.
    """

    file: str
    column: str
    values: Sequence[str]


def guess(samples: Iterable[Samples], setting: str) -> Guess:
    """Tell the formats of a column of times from samples of its files.

    Args:
        samples: One for each file.
        setting: The key of the format in the YAML.

    Raises:
        InputError: A file's times have no known format, or one that can be read in two ways.
    """
    examples: dict[str, str] = {}
    for sample in samples:
        values = [value.strip() for value in sample.values if value.strip()]
        if not values:
            continue
        found = _formats(values)
        counted = Counter(found[value] for value in values)
        known = [one for one, number in counted.items() if _is_known(one) and number >= SHARE * len(values)]
        if not known:
            _refuse(sample, found, counted.most_common(1)[0][0], setting)
        for value, format_ in found.items():
            if format_ in known:
                examples.setdefault(format_, value)
    order = sorted(examples, key=lambda format_: format_ != ISO)
    said = " or ".join(f"{in_words(format_)} (guessed from {examples[format_][:60]!r})" for format_ in order)
    return Guess(tuple(order) or (ISO,), said)


def _is_known(format_: str) -> bool:
    return bool(format_) and not format_.startswith("?")


def _refuse(sample: Samples, found: Mapping[str, str], commonest: str, setting: str) -> None:
    example = next(value for value, format_ in found.items() if format_ == commonest)
    if commonest:
        first, second = commonest[1:].split("?")
        raise InputError(
            f"{sample.file}: times in {sample.column!r} such as {example[:60]!r} can be read as {in_words(first)} and "
            f"as {in_words(second)}.",
            remedy=f'write {setting}: "{first}" or "{second}" in the retriever\'s YAML',
        )
    raise InputError(
        f"{sample.file}: {sample.column!r} holds {example[:60]!r}, which is no time in a known format.",
        cause="another column is meant, or a format that has to be named",
        remedy=f'check the columns; or write {setting} as a strptime pattern, such as "%d/%m/%Y %H:%M"',
    )


def in_words(format_: str) -> str:
    """Name a format for people."""
    return "ISO 8601" if format_ == ISO else format_.replace("_", " ") if format_ in EPOCHS else format_


def _formats(values: Sequence[str]) -> dict[str, str]:
    """Return the format of each value; `?a?b` if it can be read in two ways, empty if in none."""
    found = {value: _plain_format(value) for value in values}
    rest = [value for value, format_ in found.items() if not format_]
    for pair in _DAY_OR_MONTH_FIRST if rest else ():
        of_pair = [value for value in rest if any(parses(value, one) for one in pair)]
        if of_pair:
            found.update(dict.fromkeys(of_pair, _order(pair, of_pair)))
    return found


def _plain_format(value: str) -> str:
    """Return the format of a value that can be read in one way only."""
    if _ISO.fullmatch(value):
        return ISO
    number = _EPOCH.fullmatch(value)
    if value.isascii() and value.isdigit() and value[:2] in ("19", "20"):
        dated = next((one for one, length in _LENGTH.items() if len(value) == length and parses(value, one)), "")
        if dated:
            return dated
    if number and len(number[1]) in _DIGITS:
        epoch = EPOCHS[_DIGITS[len(number[1])]]
        return f"?{epoch}?%Y%m%d%H" if _HOUR.fullmatch(value) else epoch
    return next((one for one in _PATTERNS if one not in _LENGTH and parses(value, one)), "")


def _order(pair: tuple[str, str], values: list[str]) -> str:
    """Decide whether day or month comes first: by a value that only one of both can read, if none needs the other."""
    only = [
        {one for one in pair if parses(value, one)} for value in values if any(parses(value, one) for one in pair)
    ]  # fmt: skip
    certain = {next(iter(ways)) for ways in only if len(ways) == 1}
    return certain.pop() if len(certain) == 1 else "?" + "?".join(pair)


def parses(value: str, pattern: str) -> bool:
    """Tell whether a value has the form of a strptime pattern."""
    try:
        datetime.strptime(value, pattern)
    except ValueError:
        return False
    return True


def timestamp(text: Column, formats: Sequence[str]) -> Column:
    """Read a column of text as timestamps; a text in none of the formats becomes null."""
    trimmed = F.trim(text)
    return F.coalesce(*((_READERS.get(format_) or _pattern(format_))(trimmed) for format_ in formats))


def _iso(text: Column) -> Column:
    # Spark would take `1234` for a year, and `10:00` for a time of today.
    return F.when(F.substring(text, 5, 1) == "-", F.try_to_timestamp(text))


def _epoch(position: int) -> Callable[[Column], Column]:
    def read(text: Column) -> Column:
        number = F.when(text.rlike(r"^\d{1,19}(\.\d*)?([eE]\+?\d{1,2})?$"), text.cast("decimal(38,9)"))
        micros = (number * F.lit(10 ** max(0, 6 - 3 * position))).cast("decimal(38,6)")
        if position == 3:
            micros = (number / F.lit(1000)).cast("decimal(38,6)")
        # Beyond the year 9999 a timestamp cannot be written.
        return F.when(micros < 253_402_300_800_000_000, F.timestamp_micros(F.floor(micros).cast("long")))

    return read


def _pattern(pattern: str) -> Callable[[Column], Column]:
    @pandas_udf(TimestampType())
    def read(texts: pd.Series) -> pd.Series:
        found = pd.to_datetime(texts, format=pattern, errors="coerce", utc=True)
        return found.dt.tz_localize(None)

    return lambda text: read(text)


_READERS: dict[str, Callable[[Column], Column]] = {
    ISO: _iso,
    **{name: _epoch(position) for position, name in enumerate(EPOCHS)},
}
