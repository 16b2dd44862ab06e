"""The cache's files: what killed, damaged and simultaneous writers leave, and which vector is read."""

import logging
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.embedding import cache
from synalign.storage import Place

MADE_BY = {"model": "m", "revision": "r"}


def rows(**vectors: list[float]) -> pa.Table:
    return pa.table({"text_id": list(vectors), "embedding": pa.array(vectors.values(), pa.list_(pa.float32()))})


def test_what_was_added_is_read_with_what_made_it(tmp_path: Path) -> None:
    folder = Place(tmp_path) / "a" / "b"
    cache.add(folder, rows(x=[1.0, 0.0]), MADE_BY)
    (path,) = cache.sound_files(folder)
    assert pq.read_table(path).to_pylist() == [{"text_id": "x", "embedding": [1.0, 0.0]}]
    assert pq.read_schema(path).metadata == {b"model": b"m", b"revision": b"r"}


def test_the_same_rows_again_are_the_same_file(tmp_path: Path) -> None:
    for _ in range(2):
        cache.add(Place(tmp_path), rows(x=[1.0, 0.0]), MADE_BY)
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:40] + b"?" + content[41:]])
def test_a_damaged_file_is_set_aside_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Any
) -> None:
    cache.add(Place(tmp_path), rows(x=[1.0, 0.0], y=[0.0, 1.0]), MADE_BY)
    (path,) = tmp_path.glob("part-*")
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert cache.sound_files(Place(tmp_path)) == []
    assert f"{path} is damaged" in caplog.text
    assert cache.sound_files(Place(tmp_path)) == []
    assert len(caplog.messages) == 1


def test_writers_at_once_and_killed_at_any_moment_leave_whole_files_only(tmp_path: Path) -> None:
    write = (
        "import sys, itertools, pyarrow as pa\n"
        "from synalign.storage import Place; from synalign.embedding import cache\n"
        "for n in itertools.count():\n"
        "    ids = [f'{sys.argv[2]}-{n}-{i}' for i in range(300)]\n"
        "    vectors = pa.array([[1.0] * 64] * 300, pa.list_(pa.float32()))\n"
        "    cache.add(Place(sys.argv[1]), pa.table({'text_id': ids, 'embedding': vectors}), {})\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", write, str(tmp_path), str(n)]) for n in range(2)]
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("part-*"))) < 20:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    written = sorted(tmp_path.glob("part-*"))
    assert cache.sound_files(Place(tmp_path)) == [Place(path) for path in written]
    ids = [identifier for path in written for identifier in pq.read_table(path)["text_id"].to_pylist()]
    assert len(set(ids)) == len(ids) == 300 * len(written)
