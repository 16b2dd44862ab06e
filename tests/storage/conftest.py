"""A bucket of a real S3 server (moto's) over a socket, and processes that work in it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from synalign.storage import Place
from tests import s3

BUCKET = "synalign"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE12", "AWS_SECRET_ACCESS_KEY": "very/secret+key01234567890123456789"}
_PREFIXES = count()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Address of the server."""
    running = s3.server()
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    s3.make_bucket(running.port, BUCKET)
    yield f"http://{s3.HOST}:{running.port}"
    running.shutdown()
    running.server_close()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A prefix of the test's own in object storage."""
    settings = {**KEYS, "AWS_ENDPOINT_URL": s3_server, "AWS_EC2_METADATA_DISABLED": "true"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return Place(f"s3://{BUCKET}/team/test-{next(_PREFIXES)}")


@pytest.fixture(params=["files", "objects"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A folder that is not there yet, of either kind."""
    if request.param == "objects":
        found: Place = request.getfixturevalue("bucket")
        return found
    return Place(tmp_path) / "store"
