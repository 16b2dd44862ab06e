import hashlib

import pytest

from synalign import tables
from synalign.errors import RunError


@pytest.mark.parametrize("parts", [("a query",), ("a query", "doc-1"), ("",), ("日本語 の 検索", "د-1")])
def test_an_id_is_the_first_16_bytes_of_sha256(parts: tuple[str, ...]) -> None:
    expected = hashlib.sha256("\x1f".join(parts).encode("utf-8")).digest()[:16].hex()
    assert tables.content_id(*parts) == expected


def test_joined_parts_do_not_collide() -> None:
    assert tables.content_id("a", "bc") != tables.content_id("ab", "c")


def test_an_unknown_table_is_named() -> None:
    with pytest.raises(RunError, match="table == 'pear'"):
        tables.schema("pear")
