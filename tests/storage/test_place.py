"""Places do the same on a file system and in object storage."""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign.errors import ArgumentError, ConfigurationError
from synalign.storage import Place, StaleError, base
from tests.storage.conftest import CLOUDS, KEYS

NAMES = ["plain.txt", "with space", "größe-日本語-🙂.txt", "a=b&c+d%20e", "quote'\"`$(x);|*[!]", "..dots..", "x" * 200]


@pytest.fixture(params=["files", *CLOUDS])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A folder that is not there yet, of every kind."""
    if request.param == "files":
        return Place(tmp_path) / "store"
    found: Place = request.getfixturevalue(request.param)
    return found


def test_what_is_written_is_read_whoever_reads_it(place: Place) -> None:
    for name in NAMES:
        (place / "folder" / name).write_bytes(name.encode())
    assert [child.name for child in (place / "folder").files()] == sorted(set(NAMES) - {"..dots.."})
    assert [child.name for child in (place / "folder").files("..*")] == ["..dots.."]
    for name in NAMES:
        child = place / "folder" / name
        assert child.read_text() == name and child.size() == len(name.encode()) and child.is_file() and child.exists()
    assert [str(child) for child in place.folders()] == [str(place / "folder")]
    assert place.exists() and not place.is_file() and place.files() == []


def test_a_place_that_is_not_there_is_empty(place: Place) -> None:
    missing = place / "nowhere"
    assert (missing.files(), missing.folders(), list(missing.tree()), missing.tag()) == ([], [], [], None)
    assert not missing.exists() and not missing.is_file()
    missing.remove()
    for ask in (missing.read_bytes, missing.size, missing.open_input):
        with pytest.raises(FileNotFoundError):
            ask()


def test_a_file_is_replaced_as_a_whole_while_others_read_it(place: Place) -> None:
    """What a reader sees is one of the contents that were written, never a mixture or a part."""
    file, ended = place / "file", threading.Event()
    contents = [bytes([number]) * 300_000 for number in range(5)]
    file.write_bytes(contents[0])

    def read() -> set[bytes]:
        seen = set()
        while not ended.is_set():
            seen.add(file.read_bytes())
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for content in contents * 3:
            file.write_bytes(content)
        ended.set()
        assert set.union(*(reader.result() for reader in readers)) <= set(contents)
    assert place.files(".*") == []


def test_an_output_that_an_error_ends_is_not_there(place: Place) -> None:
    # More than is held in memory, and more than one part of an upload.
    large = b"x" * 40_000_000
    with pytest.raises(KeyboardInterrupt), (place / "file").open_output() as stream:
        stream.write(large)
        raise KeyboardInterrupt
    assert not (place / "file").exists() and list(place.tree()) == []
    with (place / "file").open_output() as stream:
        stream.write(large)
    assert (place / "file").size() == len(large)


def test_a_table_is_written_and_read_by_arrow(place: Place) -> None:
    table = pa.table({"ä": list(range(1000))})
    with (place / "table" / "part.parquet").open_output() as stream:
        pq.write_table(table, stream)
    system, path = (place / "table").filesystem()
    assert pq.read_table(path, filesystem=system) == table
    with (place / "table" / "part.parquet").open_input() as stream:
        assert pq.read_metadata(stream).num_rows == 1000


def test_removing_takes_all_below_and_nothing_beside(place: Place) -> None:
    for name in ("a/x", "a/b/y", "a/.hidden", "ab/z", "a.txt"):
        (place / name).write_bytes(b"1")
    assert sorted((str(file)[len(str(place)) + 1 :], size) for file, size in (place / "a").tree()) == [
        ("a/.hidden", 1), ("a/b/y", 1), ("a/x", 1)
    ]  # fmt: skip
    (place / "a").remove()
    assert not (place / "a").exists()
    assert [folder.name for folder in place.folders()] == ["ab"] and [file.name for file in place.files()] == ["a.txt"]


def test_only_one_of_many_creates_a_file(place: Place) -> None:
    file, ready = place / "lock", threading.Barrier(8)

    def create(number: int) -> bool:
        ready.wait()
        try:
            file.create(f"{number}".encode())
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(8)))
    assert sum(won) == 1
    assert file.read_text() == str(won.index(True))


def test_only_one_of_many_replaces_a_file(place: Place) -> None:
    file, ready = place / "manifest.json", threading.Barrier(8)
    tag = file.create(b"first")
    assert tag == file.tag()

    def replace(number: int) -> str | None:
        ready.wait()
        try:
            return file.replace(f"{number}".encode(), tag)
        except StaleError:
            return None

    with ThreadPoolExecutor(8) as pool:
        tags = list(pool.map(replace, range(8)))
    (won,) = [number for number, found in enumerate(tags) if found]
    assert file.read_text() == str(won) and file.tag() == tags[won]
    file.remove()
    with pytest.raises(StaleError):
        file.replace(b"new", tag)


def test_addresses_are_values(tmp_path: Path) -> None:
    for place in (Place("s3://bucket/a") / "b?c", Place(tmp_path) / "ü"):
        assert pickle.loads(pickle.dumps(place)) == place
        assert {place: 1}[pickle.loads(pickle.dumps(place))] == 1
        assert place != str(place)
    assert sorted([Place("s3://bucket/b"), Place("s3://bucket/a")])[0].name == "a"
    assert Place("s3://bucket").parent == Place("s3://bucket") == Place("s3://bucket/").parent
    assert Place("/a").parent == Place("/").parent == Place("/")
    assert Place(f"file://{tmp_path}/a%20b").local == tmp_path / "a b" == Path(Place(tmp_path / "a b"))
    assert Place(Place("s3://bucket/x")) == Place("s3://bucket/x/")
    with pytest.raises(TypeError, match="s3://bucket/x is in object storage"):
        os.fspath(Place("s3://bucket/x"))


@pytest.mark.parametrize("name", ["", "..", ".", "a/../b", "/etc/passwd", "a//b", "a/", "a\0b", "./a", "s3://other/x"])
def test_no_name_leads_out_of_a_place(name: str) -> None:
    for place in (Place("/base"), Place("s3://bucket/base")):
        with pytest.raises(ArgumentError, match="must be a relative path"):
            place / name


@pytest.mark.parametrize(
    "address",
    [
        f"s3://{KEYS['AWS_ACCESS_KEY_ID']}:{KEYS['AWS_ACCESS_KEY_ID']}@bucket/x",
        f"s3://bucket/x?access_key={KEYS['AWS_ACCESS_KEY_ID']}",
        "s3://", "s3:///x", "s3://x", "s3://Bucket/x", "s3://bucket//x", "s3://bucket/../x", "s3://bucket/x#y",
        "s3://bucket/a\nb", "gcs://bucket/x", "http://host/x", "file://host/x", "S3://bucket/x",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(ConfigurationError, match="must be a path, file:///path or s3://bucket/prefix") as caught:
        Place(address)
    assert KEYS["AWS_ACCESS_KEY_ID"] not in str(caught.value)


def test_the_store_is_where_the_environment_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert base() == Place(home)
    monkeypatch.setenv("SYNALIGN_STORE", " s3://bucket/synalign/ ")
    assert str(base()) == "s3://bucket/synalign"
    monkeypatch.setenv("SYNALIGN_STORE", "")
    assert base() == Place(home)
