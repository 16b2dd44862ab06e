"""Objects as streams: the same bytes as a file has, from any place."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs

from synalign.storage.cloud_files import Reader, arrow
from synalign.storage.files import FILES

CONTENT = bytes(range(256)) * 5


class _Rooted:
    """Files below a folder, under paths that begin there."""

    def __init__(self, root: str) -> None:
        self._root = root

    def __getattr__(self, name: str) -> Any:
        return lambda path: getattr(FILES, name)(f"{self._root}/{path}")


@given(st.lists(st.tuples(st.integers(0, 1400), st.integers(0, 300)), max_size=20))
def test_a_reader_reads_what_a_file_would(moves: list[tuple[int, int]]) -> None:
    here, there = (
        io.BytesIO(CONTENT),
        io.BufferedReader(Reader(lambda start, end: CONTENT[start:end], len(CONTENT)), 64),
    )
    for place, length in moves:
        assert there.seek(place) == here.seek(place)
        assert there.read(length) == here.read(length)


def test_arrow_sees_files_and_folders_of_a_store(tmp_path: Path) -> None:
    """The store of files stands for one of objects: it is known to be right."""
    (tmp_path / "table" / "dt=1").mkdir(parents=True)
    (tmp_path / "table" / "dt=1" / "part").write_bytes(b"abc")
    root = str(tmp_path).strip("/")
    system = arrow(_Rooted(str(tmp_path)), root)
    with system.open_input_file(f"{root}/table/dt=1/part") as file:
        assert file.read() == b"abc"
    kinds = [
        found.type.name for found in system.get_file_info([f"{root}/table", f"{root}/table/dt=1/part", f"{root}/x"])
    ]
    assert kinds == ["Directory", "File", "NotFound"]
    below = system.get_file_info(fs.FileSelector(f"{root}/table", recursive=True))
    assert sorted((found.base_name, found.type.name) for found in below) == [("dt=1", "Directory"), ("part", "File")]
