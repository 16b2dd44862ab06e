"""A bucket of a real S3 server (moto's) over a socket, and processes that work in it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from synalign.storage import Place
from tests import clouds, s3

BUCKET = "synalign"
GOOGLE_BUCKET = "synalign-google"
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
    return _amazon(s3_server, monkeypatch)


@pytest.fixture
def amazon(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The same, for tests whose `bucket` is of every cloud."""
    return _amazon(s3_server, monkeypatch)


def _amazon(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Place:
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


@contextmanager
def _running(application: Any, made: str, headers: dict[str, str]) -> Iterator[str]:
    """Address of a cloud's double with a bucket or a container."""
    running = clouds.server(application)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    connection = http.client.HTTPConnection(clouds.HOST, running.port, timeout=10)
    connection.request("PUT", made, headers=headers)
    assert connection.getresponse().status in (200, 201)
    connection.close()
    yield f"http://{clouds.HOST}:{running.port}"
    running.shutdown()
    running.server_close()


@pytest.fixture(scope="session")
def google_server() -> Iterator[str]:
    """Address of the double of Google Cloud Storage."""
    with _running(clouds.Google(), f"/{GOOGLE_BUCKET}", {"Authorization": f"Bearer {clouds.TOKEN}"}) as url:
        yield url


@pytest.fixture(scope="session")
def azure_server() -> Iterator[str]:
    """Address of the double of Azure's Blob storage."""
    with _running(clouds.Azure(), f"/{BUCKET}?restype=container", {"Authorization": "SharedKey shop:x"}) as url:
        yield url


@pytest.fixture
def google(google_server: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A prefix of the test's own in Google Cloud Storage."""
    monkeypatch.setenv("GOOGLE_BASE_URL", google_server)
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", clouds.TOKEN)
    return Place(f"gs://{GOOGLE_BUCKET}/team/test-{next(_PREFIXES)}")


@pytest.fixture
def azure(azure_server: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A prefix of the test's own in Azure's Blob storage."""
    monkeypatch.setenv("AZURE_STORAGE_ENDPOINT", azure_server)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "shop")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", clouds.KEY)
    return Place(f"az://{BUCKET}/team/test-{next(_PREFIXES)}")


@pytest.fixture
def lake(azure: Place) -> Place:
    """The same, by the name that Spark gives it."""
    return Place(f"abfss://{BUCKET}@shop.dfs.core.windows.net/{str(azure).partition(f'{BUCKET}/')[2]}")


CLOUDS = ["amazon", "google", "azure", "lake"]
"""Fixtures of a place in object storage, of every kind."""

ENDPOINTS = ("AWS_ENDPOINT_URL", "GOOGLE_BASE_URL", "AZURE_STORAGE_ENDPOINT")
"""Variables that say where a cloud is."""


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every cloud be where nobody listens."""
    for name in ENDPOINTS:
        monkeypatch.setenv(name, "http://127.0.0.1:1")
