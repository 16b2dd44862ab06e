"""Storage: whatever a step does there and cannot do is named, and nothing of the trial stays."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from synalign.doctor import Case, Finding
from synalign.storage import Place, objects
from tests.storage.conftest import bucket, s3_server

__all__ = ["bucket", "s3_server"]

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]


def refuse(*arguments: Any, **named: Any) -> NoReturn:
    raise OSError(errno.EIO, "Input/output error")


def test_a_home_that_works_passes_and_nothing_stays(case: Make, check: Look, home: Path) -> None:
    assert check("storage", case()).state == "pass"
    assert not home.exists()
    (home / "runs" / "shop").mkdir(parents=True)
    assert check("storage", case()).state == "pass"
    assert [path.relative_to(home) for path in home.rglob("*")] == [Path("runs"), Path("runs/shop")]


@pytest.mark.parametrize(
    ("module", "call", "word"), [(os, "fsync", "synced"), (os, "replace", "renamed in"), (fcntl, "flock", "locked")]
)
def test_what_a_disk_cannot_do_is_named(
    case: Make, check: Look, home: Path, monkeypatch: pytest.MonkeyPatch, module: Any, call: str, word: str
) -> None:
    monkeypatch.setattr(module, call, refuse)
    found = check("storage", case())
    assert found.state == "fail"
    assert f"runs cannot be {word}: [Errno 5] Input/output error" in found.found
    assert "SYNALIGN_HOME" in found.remedy
    assert not home.exists()


def test_a_place_where_no_folder_can_be_made_is_named(
    case: Make, check: Look, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("SYNALIGN_HOME", str(file / "home"))
    found = check("storage", case())
    assert found.state == "fail"
    assert "cannot be made" in found.found


def test_a_disk_that_reads_something_else_is_named(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"")
    found = check("storage", case())
    assert "cannot be read back: what was read is not what was written" in found.found


def test_a_journal_in_the_runs_folder_needs_no_look(case: Make, check: Look) -> None:
    assert check("journal", case()).state == "skipped"


def test_a_journal_elsewhere_is_tried_there(case: Make, check: Look, tmp_path: Path) -> None:
    assert check("journal", case(runtime={"journal": str(tmp_path / "journal")})).state == "pass"
    assert not (tmp_path / "journal").exists()
    file = tmp_path / "file"
    file.touch()
    found = check("journal", case(runtime={"journal": str(file)}))
    assert found.state == "fail"
    assert "runtime.journal" in found.remedy


KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE12", "AWS_SECRET_ACCESS_KEY": "very-secret", "AWS_REGION": "us-east-1"}


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**KEYS, "AWS_EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)


def test_a_malformed_bucket_is_named(case: Make, check: Look, keys: None) -> None:
    found = check("journal", case(runtime={"journal": "s3://UPPER/x"}))
    assert found.state == "fail"
    assert "s3://bucket/prefix" in found.found


def test_a_bucket_that_cannot_be_reached_fails_without_showing_the_key(
    case: Make, check: Look, keys: None, monkeypatch: pytest.MonkeyPatch, server: Any
) -> None:
    server.status = 403
    server.body = f"<Error><Code>AccessDenied</Code><Message>{KEYS['AWS_SECRET_ACCESS_KEY']}</Message></Error>".encode()
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    found = check("journal", case(runtime={"journal": "s3://journals/team"}))
    assert found.state == "fail"
    assert "s3://journals/team" in found.found
    assert "s3:PutObject" in found.remedy
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in found.found + found.remedy


def test_a_bucket_that_takes_objects_passes(case: Make, check: Look, bucket: Place) -> None:
    assert check("journal", case(runtime={"journal": str(bucket)})).state == "pass"
    missing = check("journal", case(runtime={"journal": "s3://nobody-made-this/team"}))
    assert missing.state == "fail"


def test_runs_in_a_bucket_are_tried_there(
    case: Make, check: Look, bucket: Place, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setenv("SYNALIGN_STORE", str(bucket))
    found = check("storage", case())
    assert found.state == "pass" and "lets one of two writers win" in found.found
    assert list(bucket.tree()) == [] and not home.exists()
    assert check("disk", case()).state == "pass"


def test_a_storage_that_ignores_conditions_is_named(
    case: Make, check: Look, bucket: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some servers do: two writers would both believe they won."""
    monkeypatch.setenv("SYNALIGN_STORE", str(bucket))
    monkeypatch.setattr(objects._Bucket, "create", lambda self, path, content: self.write(path, content) or "tag")
    monkeypatch.setattr(objects._Bucket, "replace", lambda self, path, content, tag: self.write(path, content) or "tag")
    found = check("storage", case())
    assert found.state == "fail"
    assert "cannot be held by one writer: a put whose condition did not hold was not refused" in found.found
    assert list(bucket.tree()) == []


@pytest.mark.parametrize("address", ["s3://UPPER/x", "s3://nobody-made-this/x"])
def test_a_bucket_for_runs_that_is_none_is_named(
    case: Make, check: Look, bucket: Place, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("SYNALIGN_STORE", address)
    assert check("storage", case()).state == "fail"
