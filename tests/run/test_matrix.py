import numpy as np
import pyarrow as pa
import pytest

from synalign.errors import RunError
from synalign.run.matrix import matrix


def table(rows: dict[str, list[float]]) -> pa.Table:
    return pa.table({"id": list(rows), "embedding": pa.array(list(rows.values()), pa.list_(pa.float32()))})


def test_rows_come_in_the_order_asked_for() -> None:
    found = matrix(table({"a": [1.0, 0.0], "b": [0.0, 1.0]}), ["b", "a", "b"])
    np.testing.assert_array_equal(found, np.array([[0, 1], [1, 0], [0, 1]], dtype=np.float32))


def test_chunked_and_sliced_tables_read_alike() -> None:
    whole = table({"a": [1.0, 0.0], "b": [0.0, 1.0], "c": [0.6, 0.8]})
    pieces = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    np.testing.assert_array_equal(matrix(pieces, ["c", "a"]), matrix(whole, ["c", "a"]))
    np.testing.assert_array_equal(matrix(whole.slice(1), ["c"]), matrix(whole, ["c"]))


def test_an_id_without_a_vector_is_named() -> None:
    with pytest.raises(RunError, match="1 ids have no embedding, the first is 'z'"):
        matrix(table({"a": [1.0]}), ["a", "z"])


def test_an_empty_table_gives_an_empty_matrix() -> None:
    assert matrix(table({}), []).size == 0


def test_vectors_of_different_length_are_refused() -> None:
    with pytest.raises(RunError, match="differ in length"):
        matrix(table({"a": [1.0, 0.0], "b": [1.0]}), ["a"])
