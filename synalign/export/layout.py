"""What a format says of itself, what can be asked of it, and what it says that it has written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from synalign.export.source import Source
from synalign.export.target import Target


class Options(NamedTuple):
    """What somebody asked for.

    Attributes:
        scores: Whether the teacher's scores go along.
        negatives: How many hard negatives at most; None: all that the set has.
        draw: How many train rows to draw by weight; None: each is written once.
    """

    scores: bool = False
    negatives: int | None = None
    draw: int | None = None


EVERYTHING = Options()
"""All negatives, no scores, every row once."""


class Written(NamedTuple):
    """What was written, for the card.

    Attributes:
        rows: Rows by file.
        usage: How to train on it: a fenced block of Markdown.
        configurations: Files by split by configuration, as Hugging Face's `datasets` finds them; empty where no format
            of its own says otherwise.
        notes: Sentences on what was left out, and why.
    """

    rows: Mapping[str, int]
    usage: str
    configurations: Mapping[str, Mapping[str, str]] = {}
    notes: tuple[str, ...] = ()


class Format(NamedTuple):
    """A format that a training set can be written in.

    Attributes:
        name: As `--to` takes it.
        about: What is written, in a line.
        weights: What becomes of the weights, in a clause.
        scores: What becomes of the teacher's scores, in a clause.
        draws: Whether weights can be kept by drawing rows, since the format has no place for them.
        distils: Whether scores can go along.
        write: Writes it.
    """

    name: str
    about: str
    weights: str
    scores: str
    draws: bool
    distils: bool
    write: Callable[[Source, Target, Options], Written]
