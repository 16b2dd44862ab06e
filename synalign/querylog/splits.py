"""The split of a query: decided by its hash alone, so it never changes from one day to the next.

`validation` chooses, `test` only reports, `train` is all the rest. The fraction of a query is the first 52 bits
(13 hexadecimal digits) of SHA-256(salt + U+001F + query_id), over 2**52: exact in a double.
"""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F

from synalign.config import Ingest
from synalign.tables import SEPARATOR

_DIGITS = 13


def split_column(query_id: Column, settings: Ingest) -> Column:
    """Return the split of every query as a Spark expression."""
    digest = F.sha2(F.concat(F.lit(f"{settings.split_salt}{SEPARATOR}"), query_id), 256)
    fraction = F.conv(F.substring(digest, 1, _DIGITS), 16, 10).cast("long") / F.lit(float(16**_DIGITS))
    return (
        F.when(fraction < settings.validation_fraction, "validation")
        .when(fraction < settings.validation_fraction + settings.test_fraction, "test")
        .otherwise("train")
    )
