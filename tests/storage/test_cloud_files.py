"""Objects as streams: the same bytes as a file has, from any place."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synalign.storage.cloud_files import Reader, arrow

CONTENT = bytes(range(256)) * 5


@given(st.lists(st.tuples(st.integers(0, 1400), st.integers(0, 300)), max_size=20))
def test_a_reader_reads_what_a_file_would(moves: list[tuple[int, int]]) -> None:
    here, there = (
        io.BytesIO(CONTENT),
        io.BufferedReader(Reader(lambda start, end: CONTENT[start:end], len(CONTENT)), 64),
    )
    for place, length in moves:
        assert there.seek(place) == here.seek(place)
        assert there.read(length) == here.read(length)


def test_what_is_not_there_is_no_file_for_arrow() -> None:
    system = arrow({"a/b": 3}.get, lambda path: io.BytesIO(b"abc"))
    with system.open_input_file("a/b") as file:
        assert file.read() == b"abc"
    assert [found.type.name for found in system.get_file_info(["a/b", "a/c"])] == ["File", "NotFound"]
    with pytest.raises(FileNotFoundError):
        system.open_input_file("a/c").read() if system.get_file_info("a/c").type.name == "File" else open(
            "/no/such/file"
        )
