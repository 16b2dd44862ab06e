"""The text of a document, made of several columns by the template `documents.fields`."""

from __future__ import annotations

import pandas as pd
from pyspark.sql import Column as SparkColumn
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import StringType

from synalign.querylog.columns import Column
from synalign.text.template import names, parse, render


def field_columns(fields: str | tuple[str, ...]) -> list[Column]:
    """Return the columns that a template names, as `field_0`, `field_1`, ... in frames."""
    return [Column(f"field_{place}", name, "text", key="fields") for place, name in enumerate(names(parse(fields)))]


def text_column(fields: str | tuple[str, ...]) -> SparkColumn:
    """Return the text of a row with the columns of `field_columns`; empty where no field has a value."""
    parts = parse(fields)
    known = names(parts)

    # Made when it is asked for: a function made on import is none of a Spark Connect server's.
    @pandas_udf(StringType())
    def text(*columns: pd.Series) -> pd.Series:
        rows = zip(*columns, strict=True)
        return pd.Series([render(parts, dict(zip(known, row, strict=True))) for row in rows], dtype=object)

    return text(*(column.setting for column in field_columns(fields)))
