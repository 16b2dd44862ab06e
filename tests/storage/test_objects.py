"""What only object storage has: listings in pages, lost answers, and keys that are no paths."""

from __future__ import annotations

import pytest
from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID

from synalign.storage import Place


def test_more_files_than_one_listing_gives_are_all_seen_and_removed(bucket: Place) -> None:
    # Past the socket: a thousand requests would take moto half a minute.
    name, _, prefix = str(bucket).removeprefix("s3://").partition("/")
    backend = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]
    for number in range(1001):
        backend.put_object(name, f"{prefix}/{number:04d}", b"")
    (bucket / "folder" / "file").write_bytes(b"")
    assert [file.name for file in bucket.files()] == [f"{number:04d}" for number in range(1001)]
    assert len(list(bucket.tree())) == 1002 and [folder.name for folder in bucket.folders()] == ["folder"]
    bucket.remove()
    assert not bucket.exists()


def test_a_creation_whose_answer_was_lost_is_seen_as_won(bucket: Place) -> None:
    """A client sends a put again when no answer came; the storage has it then, and refuses the second."""
    file = bucket / "file"
    tag = file.create(b"mine")
    assert file.create(b"mine") == tag
    with pytest.raises(FileExistsError):
        file.create(b"another's")


def test_keys_that_are_no_paths_are_neither_listed_nor_in_the_way(bucket: Place) -> None:
    import boto3

    client = boto3.client("s3")
    name, _, prefix = str(bucket).removeprefix("s3://").partition("/")
    for key in ("a//b", "../x", "./y", "", "\x01", "a"):
        client.put_object(Bucket=name, Key=f"{prefix}/{key}", Body=b"odd")
    (bucket / "good").write_bytes(b"good")
    assert (bucket / "good") in bucket.files() and (bucket / "a").read_bytes() == b"odd"
    assert all(file.parent == bucket for file in bucket.files())
    bucket.remove()
    assert not bucket.exists()
