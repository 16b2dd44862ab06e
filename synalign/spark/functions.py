"""Functions of Spark 4 that Spark 3.5 has not: there they are made of what it has."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

_UTF8 = "UTF-8"
_HALF_ESCAPED = "%(?![0-9A-Fa-f]{2})"


def make_valid_utf8(text: Column) -> Column:
    """Return a text with U+FFFD for what is no UTF-8; of half a pair of UTF-16, 3.5 makes one and 4 three."""
    if hasattr(F, "make_valid_utf8"):
        return F.make_valid_utf8(text)
    # Java replaces it while it decodes; Spark 4 would refuse.
    return F.decode(text.cast("binary"), _UTF8)


def is_valid_utf8(text: Column) -> Column:
    """Return whether a text is all UTF-8."""
    if hasattr(F, "is_valid_utf8"):
        return F.is_valid_utf8(text)
    return F.encode(make_valid_utf8(text), _UTF8) == text.cast("binary")


def try_url_decode(text: Column) -> Column:
    """Return a text without its `%XX`; nothing where a `%` is followed by anything else."""
    if hasattr(F, "try_url_decode"):
        return F.try_url_decode(text)
    return F.when(~text.rlike(_HALF_ESCAPED), F.url_decode(text))
