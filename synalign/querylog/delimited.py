"""Records of delimited text: every line belongs to one, and a quote that is never closed costs its own line only."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from synalign.querylog.dialect import Dialect, csv_options

LONGEST_RECORD = 4 * 2**20
"""Characters; a quoted field that goes on for longer was never closed."""

_SHAPES = ((re.compile(r"\d+"), "0"), (re.compile(r"[^\W\d_]+"), "a"))
_MOST_LINES = 0.8


class Looks(NamedTuple):
    """The look of a column's values, by which a line within a quoted field is known for a record of its own.

    Attributes:
        place: The column's position.
        shapes: The shapes of its values; see `shape`.
        certain: Whether one such line is enough, as of times. Of ids, which text may resemble, most lines must look so.
    """

    place: int
    shapes: frozenset[str]
    certain: bool


class Record(NamedTuple):
    """A record, or a line that is none.

    Attributes:
        fields: Its values; None for a line that is none.
        flaw: The rule that it breaks.
        number: Of its first line in the file, from 1.
        text: Its lines; empty where nothing is wrong with it.
    """

    fields: list[str] | None
    flaw: str | None
    number: int
    text: str


class Records:
    """The records of one file, from blocks of its lines.

    Args:
        dialect: How the file is written.
        blocks: Lines without their ends, and of lines that are not in the encoding, or too long, the rule they break.
        looks: The look of a column: a line within a quoted field that looks so was swallowed by a quote that is never
            closed.
    """

    def __init__(
        self,
        dialect: Dialect,
        blocks: Iterator[tuple[list[str], Mapping[int, str]]],
        looks: Looks | None = None,
    ) -> None:
        csv.field_size_limit(2 * LONGEST_RECORD)
        self._options, self._quote, self._looks = csv_options(dialect), dialect.quote, looks
        self._wide, self._delimiter = len(dialect.names), dialect.delimiter
        self._blocks, self._number, self._skip = blocks, 1, dialect.header
        self._lines: deque[str] = deque()
        self._flaws: dict[int, str] = {}
        self._spaced = dialect.spaced
        self._filled = 0

    def __iter__(self) -> Iterator[list[Record]]:
        """Yield the records in portions of about a block each."""
        while self._fill():
            if self._skip:
                self._skip = False
                next(self._parsed(), None)
                continue
            plain = not self._quote or not any(self._quote in line for line in self._lines)
            yield self._split() if plain else self._one_each() or list(filter(None, self._parsed()))

    def _fill(self) -> bool:
        """Take the next block if no line is left; False at the end."""
        while not self._lines:
            block = next(self._blocks, None)
            if block is None:
                return False
            lines, flaws = block
            self._flaws.update({self._filled + 1 + place: flaw for place, flaw in flaws.items()})
            self._lines.extend(lines)
            self._filled += len(lines)
        return True

    def _split(self) -> list[Record]:
        """Return the records of lines without quotes: one each."""
        found = []
        for line in self._lines:
            if line:
                fields = line.split(self._delimiter)
                if self._spaced:
                    fields = [field.lstrip(" ") for field in fields]
                found.append(self._record(fields, self._number, line))
            self._number += 1
        self._lines.clear()
        return found

    def _one_each(self) -> list[Record]:
        """Return the records of lines with quotes, where each line is one; none where a line is not."""
        lines = list(self._lines)
        try:
            rows = list(csv.reader(lines, **self._options, strict=True))
        except csv.Error:
            return []
        if len(rows) != len(lines):
            return []
        self._lines.clear()
        first, self._number = self._number, self._number + len(lines)
        return [self._record(fields, first + place, lines[place]) for place, fields in enumerate(rows) if fields]

    def _parsed(self) -> Iterator[Record | None]:
        """Yield the records of lines with quotes, as far as the block goes; None for an empty line."""
        taken: list[str] = []
        while self._lines:
            try:
                for fields in csv.reader(self._feed(taken), **self._options, strict=True):
                    if len(taken) > 1 and (len(fields) != self._wide or self._swallows(taken)):
                        yield self._unclosed(taken)
                        break
                    lines, number = list(taken), self._number
                    taken.clear()
                    self._number += len(lines)
                    yield self._record(fields, number, "\n".join(lines)) if fields else None
            except csv.Error:
                yield self._unclosed(taken)

    def _feed(self, taken: list[str]) -> Iterator[str]:
        """Hand lines to the CSV reader and note them as taken; an open record goes on in the next block."""
        size = 0
        while self._fill() if taken else self._lines:
            line = self._lines.popleft()
            size = size + len(line) if taken else len(line)
            taken.append(line)
            if size > LONGEST_RECORD:
                raise csv.Error("too long")
            yield f"{line}\n"

    def _unclosed(self, taken: list[str]) -> Record:
        """Return the first line of a record that is none; the other lines are read again."""
        first, number = taken[0], self._number
        self._lines.extendleft(reversed(taken[1:]))
        taken.clear()
        self._number += 1
        return Record(None, "unclosed_quote" if self._quote in first else "malformed_row", number, first)

    def _record(self, fields: list[str], number: int, text: str) -> Record:
        if len(fields) != self._wide:
            return Record(None, "malformed_row", number, text)
        if self._flaws:
            numbers = range(number, number + text.count("\n") + 1)
            flaws = {self._flaws.pop(one) for one in numbers if one in self._flaws}
            if flaws:
                cut = flaws - {"undecodable"}
                return Record(None if cut else fields, max(cut, default="undecodable"), number, text)
        return Record(fields, None, number, "")

    def _swallows(self, lines: Sequence[str]) -> bool:
        """Tell whether lines after a record's first look like records of their own."""
        looks = self._looks
        if looks is None or self._wide < 2:
            return False
        alike = 0
        for line in lines[1:]:
            fields = line.split(self._delimiter)
            alike += len(fields) >= self._wide and shape(fields[looks.place]) in looks.shapes
        return alike > 0 if looks.certain else alike > 1 and alike >= _MOST_LINES * (len(lines) - 1)


def shape(value: str) -> str:
    """Return the shape of a value: each run of digits is one `0`, each run of letters one `a`.

    Examples:
        >>> shape("2026-02-28T09:00:00Z"), shape(" kb-17")
        ('0-0-0a0:0:0a', 'a-0')
    """
    value = value.strip(" \t\"'")
    for pattern, sign in _SHAPES:
        value = pattern.sub(sign, value)
    return value


def looks_of(dialect: Dialect, rows: Sequence[Mapping[str, str]], key: str, *, certain: bool) -> Looks | None:
    """Return how the values of a column look in a file's head; None where they do not look alike."""
    values = [value for row in rows if (value := row.get(key))]
    if key not in dialect.names or not values:
        return None
    found = Counter(map(shape, values))
    common = {
        one for one, number in found.items() if number >= max(1, 0.2 * len(values)) and one not in ("", "a", "a a")
    }
    return Looks(dialect.names.index(key), frozenset(common), certain) if common else None


def line_row(content: Mapping[str, object]) -> str:
    """Return a line that is no record as JSON, as the table `rejected` keeps it."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))
