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
    ("module", "call", "word"), [(os, "fsync", "synced"), (os, "rename", "renamed in"), (fcntl, "flock", "locked")]
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


def test_a_bucket_that_takes_objects_passes(
    case: Make, check: Look, keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import http.client
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    try:
        port = moto.get_host_and_port()[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("PUT", "/journals")
        assert connection.getresponse().status == 200
        connection.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        assert check("journal", case(runtime={"journal": "s3://journals/team"})).state == "pass"
        missing = check("journal", case(runtime={"journal": "s3://nobody-made-this/team"}))
        assert missing.state == "fail"
    finally:
        moto.stop()
