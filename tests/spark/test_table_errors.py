"""What Spark says of tables, as an error that says what to do; everything else passes as it is."""

import pytest
from pyspark.errors import AnalysisException, PySparkException, PythonException

from synalign.errors import InputError, SetupError
from synalign.spark.table_errors import understood


@pytest.mark.parametrize(
    ("text", "reader", "jar"),
    [
        ("Class org.apache.hadoop.fs.s3a.S3AFileSystem not found", "parquet s3a://b/x", "org.apache.hadoop:hadoop-aws"),
        ('No FileSystem for scheme "abfss"', "parquet abfss://b/x", "org.apache.hadoop:hadoop-azure"),
        ("[DATA_SOURCE_NOT_FOUND] Failed to find the data source: delta.", "delta", "io.delta:delta-spark"),
        ("java.sql.SQLException: No suitable driver", "jdbc", "the database's JDBC driver"),
        ("java.lang.ClassNotFoundException: com.example.Catalog", "", "the connector"),
    ],
)
def test_a_jar_that_spark_lacks_is_named(text: str, reader: str, jar: str) -> None:
    with pytest.raises(SetupError) as caught, understood("query log (x)", "source.path", reader):
        raise PySparkException(text)
    assert caught.value.message.startswith("query log (x): Spark has no reader for it: ")
    assert f"give Spark {jar}" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "error",
    [
        AnalysisException("[TABLE_OR_VIEW_NOT_FOUND] The table or view `a` cannot be found.\nsecond line"),
        PySparkException("org.postgresql.util.PSQLException: FATAL: password authentication failed"),
        PySparkException("org.apache.hadoop.security.AccessControlException: Permission denied: user=me"),
    ],
)
def test_a_table_that_cannot_be_had_is_an_error_of_the_input(error: Exception) -> None:
    with pytest.raises(InputError, match="Spark refuses it") as caught, understood("query log (x)", "source.table"):
        raise error
    assert "second line" not in caught.value.message
    assert "check source.table" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "error", [PythonException("Traceback ..."), PySparkException("ExecutorLostFailure"), OSError()]
)
def test_other_errors_pass(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, understood("query log (x)", "source.table"):
        raise error
    assert caught.value is error
