"""What Spark 3.5 has not gives what Spark 4 gives: on 4, both ways are compared; `make test-spark35` has the other."""

from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import functions as F

from synalign.spark import functions

BYTES = [b"plain", "éß 日本語 😀".encode(), "\ufffd".encode(), b"a\xffb", b"\xe6\x97", b"\xf0\x9f\x98x", b""]
ESCAPED = ["a%20b", "50%", "%C3%A9", "%zz", "a+b", "plain", "%4"]


class Older:
    """The functions of Spark without those that came with 4."""

    def __getattr__(self, name: str) -> Any:
        if name in ("make_valid_utf8", "is_valid_utf8", "try_url_decode"):
            raise AttributeError(name)
        return getattr(F, name)


@pytest.fixture(params=["as it is", "as 3.5"])
def _spark_version(request: pytest.FixtureRequest, spark: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "as 3.5" and spark.version.startswith("4"):
        # Java's decoding, as 3.5 has it.
        monkeypatch.setattr(functions, "F", Older())
        spark.conf.set("spark.sql.legacy.codingErrorAction", "true")
    yield
    if spark.version.startswith("4"):
        spark.conf.unset("spark.sql.legacy.codingErrorAction")


@pytest.mark.usefixtures("_spark_version")
def test_what_is_no_utf8_is_replaced_as_python_does(spark: Any) -> None:
    frame = spark.createDataFrame([(bytearray(each),) for each in BYTES], "bytes binary")
    text = F.col("bytes").cast("string")
    rows = frame.select(
        functions.make_valid_utf8(text).alias("text"), functions.is_valid_utf8(text).alias("valid")
    ).collect()
    for given, row in zip(BYTES, rows, strict=True):
        assert row["text"] == given.decode("utf-8", "replace"), given
        assert row["valid"] == ("\ufffd" not in row["text"] or given == "\ufffd".encode()), given


@pytest.mark.usefixtures("_spark_version")
def test_half_an_escape_has_no_meaning(spark: Any) -> None:
    frame = spark.createDataFrame([(each,) for each in ESCAPED], "text string")
    found = [row[0] for row in frame.select(functions.try_url_decode(F.col("text"))).collect()]
    assert found == ["a b", None, "é", None, "a b", "plain", None]


@pytest.mark.usefixtures("_spark_version")
def test_nothing_stays_nothing(spark: Any) -> None:
    nothing = F.lit(None).cast("string")
    row = spark.range(1).select(functions.make_valid_utf8(nothing), functions.try_url_decode(nothing)).first()
    assert tuple(row) == (None, None)
