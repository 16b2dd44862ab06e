"""Places in object storage that speaks S3: by boto3, and by Arrow where large tables are read.

An object is there as a whole or not at all; nothing is renamed or appended to. Arrow alone would not do: its writer
publishes what was written so far when an error ends it, its deletions leave markers, it does not ask again for a few
bytes that a storage refused for a moment, and it cannot put under a condition, which is what lets one of several
writers win.
"""

from __future__ import annotations

import io
import logging
import os
import re
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from pyarrow import fs

from synalign.errors import ConfigurationError
from synalign.storage.secrets import without_secrets
from synalign.storage.store import Kept, StaleError, Store

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
_TRIES = 5
_PAUSE = 0.1
_CONNECTIONS = 32
_CONNECT_SECONDS, _REQUEST_SECONDS = 10.0, 30.0
# What is read or written is held in memory up to this size; what is written beyond it in a temporary file.
_IN_MEMORY = 32 * 2**20
_DELETED_AT_ONCE = 1000
_NOT_IN_XML = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")


class Endpoint(NamedTuple):
    """Where a bucket is.

    Attributes:
        url: Address of the server; None: Amazon's.
        region: Its region; None: asked of Amazon.
    """

    url: str | None
    region: str | None


def endpoint() -> Endpoint:
    """Return the endpoint and the region that the environment names, as for any AWS tool.

    Raises:
        ConfigurationError: It is no address.
    """
    region = next(filter(None, map(os.environ.get, _REGIONS)), None)
    name = next((name for name in _ENDPOINTS if os.environ.get(name)), None)
    if name is None:
        return Endpoint(None, region)
    url = urlsplit(os.environ[name])
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc:
        raise ConfigurationError(
            f"{name} must be the address of an S3 server, without credentials.",
            remedy="for example https://storage.example.com:9000; keys go into AWS_ACCESS_KEY_ID and the like",
        )
    return Endpoint(f"{url.scheme}://{url.netloc}{url.path.rstrip('/')}", region or "us-east-1")


def storage(bucket: str) -> fs.S3FileSystem:
    """Return a bucket's server for Arrow; credentials come from the environment.

    Raises:
        ConfigurationError: The endpoint is no address.
        OSError: Amazon does not say where the bucket is.
    """
    retries = fs.AwsStandardS3RetryStrategy(max_attempts=_TRIES)
    # An object is sent when it is closed, in one request: no half of it can be there.
    made = partial(
        fs.S3FileSystem, retry_strategy=retries, background_writes=False, allow_delayed_open=True,
        connect_timeout=_CONNECT_SECONDS, request_timeout=_REQUEST_SECONDS,
    )  # fmt: skip
    where = endpoint()
    if where.url is None:
        with without_secrets():
            return made(region=where.region or fs.resolve_s3_region(bucket))
    scheme, _, rest = where.url.partition("://")
    return made(region=where.region, scheme=scheme, endpoint_override=rest)


def bucket(name: str) -> Store:
    """Return a bucket, with the endpoint and the credentials that the environment names now."""
    # A process that was forked must not use its parent's connections.
    environment = tuple(map(os.environ.get, (*_ENDPOINTS, *_REGIONS, *_CREDENTIALS)))
    return _bucket(name, os.getpid(), environment)


@lru_cache(maxsize=16)
def _bucket(name: str, process: int, environment: tuple[str | None, ...]) -> Store:
    return _Bucket(name)


class _Bucket:
    """The objects of one bucket, under keys. See `Store` for the methods.

    Args:
        name: The bucket's.

    Raises:
        ConfigurationError: The endpoint is no address.
        OSError: Amazon does not say where the bucket is.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._arrow = storage(name)
        self._client = _client(self._arrow.region)

    def read(self, path: str) -> bytes:
        from botocore.exceptions import BotoCoreError

        for attempt in range(1, _TRIES + 1):
            with self._meeting(path):
                try:
                    return bytes(self._client.get_object(Bucket=self._name, Key=path)["Body"].read())
                except BotoCoreError:
                    # What ends after the first byte, the client does not ask for again.
                    if attempt == _TRIES:
                        raise
            time.sleep(_PAUSE * 2**attempt)
        raise AssertionError("the last try returns or raises")

    def open_input(self, path: str) -> Any:
        size = self.size(path)
        if size is None:
            raise FileNotFoundError(f"s3://{self._full(path)} is not there")
        # Arrow does not ask again for a part that is smaller than the storage's refusal of it.
        if size <= _IN_MEMORY:
            return io.BytesIO(self.read(path))
        with without_secrets():
            return self._arrow.open_input_file(self._full(path))

    @contextmanager
    def open_output(self, path: str) -> Iterator[IO[bytes]]:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            yield file
            file.seek(0)
            with self._meeting(path):
                # In parts when it is large; what was sent is taken back where a part fails.
                self._client.upload_fileobj(file, self._name, path)

    def write(self, path: str, content: bytes) -> None:
        with self._meeting(path):
            self._client.put_object(Bucket=self._name, Key=path, Body=content)

    def size(self, path: str) -> int | None:
        head = self._head(path)
        return None if head is None else int(head["ContentLength"])

    def holds(self, path: str) -> bool:
        if path and self._head(path) is not None:
            return True
        with self._meeting(path):
            found = self._client.list_objects_v2(Bucket=self._name, Prefix=_within(path), MaxKeys=1)
        return bool(found.get("KeyCount", 0))

    def files(self, path: str) -> list[str]:
        return self._named(
            path, (entry["Key"] for page in self._pages(path, "/") for entry in page.get("Contents", []))
        )

    def folders(self, path: str) -> list[str]:
        prefixes = (entry["Prefix"] for page in self._pages(path, "/") for entry in page.get("CommonPrefixes", []))
        return self._named(path, (prefix[:-1] for prefix in prefixes))

    def tree(self, path: str) -> Iterator[Kept]:
        for page in self._pages(path):
            for entry in page.get("Contents", []):
                yield Kept(entry["Key"], int(entry["Size"]))

    def make(self, path: str) -> None:
        """Do nothing: a folder is what its objects' keys begin with."""

    def remove(self, path: str) -> None:
        found = [path, *(kept.path for kept in self.tree(path))]
        # A request for many is XML, which has no word for these; nobody of ours makes such a key.
        for key in filter(_NOT_IN_XML.search, found):
            self.unlink(key)
        keys = [key for key in found if not _NOT_IN_XML.search(key)]
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            listed = {"Objects": [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]], "Quiet": True}
            with self._meeting(path):
                refused = self._client.delete_objects(Bucket=self._name, Delete=listed).get("Errors", [])
            if refused:
                raise PermissionError(f"{refused[0].get('Key')} cannot be deleted: {refused[0].get('Code')}")

    def unlink(self, path: str) -> None:
        with self._meeting(path):
            self._client.delete_object(Bucket=self._name, Key=path)

    def tag(self, path: str) -> str | None:
        head = self._head(path)
        return None if head is None else str(head["ETag"])

    def create(self, path: str, content: bytes) -> str:
        try:
            return self._put_if(path, content, IfNoneMatch="*")
        except StaleError:
            raise FileExistsError(f"s3://{self._full(path)} is there already") from None

    def replace(self, path: str, content: bytes, tag: str) -> str:
        return self._put_if(path, content, IfMatch=tag)

    def filesystem(self) -> fs.FileSystem:
        return self._arrow

    def _put_if(self, path: str, content: bytes, **condition: str) -> str:
        try:
            with self._meeting(path):
                return str(self._client.put_object(Bucket=self._name, Key=path, Body=content, **condition)["ETag"])
        except (StaleError, FileNotFoundError):
            # A put whose answer was lost is sent again, and then fails against itself.
            tag = self.tag(path)
            if tag is not None and self.read(path) == content:
                return tag
            raise StaleError(f"s3://{self._full(path)} was changed by another process") from None

    def _head(self, path: str) -> dict[str, Any] | None:
        try:
            with self._meeting(path):
                found: dict[str, Any] = self._client.head_object(Bucket=self._name, Key=path)
                return found
        except FileNotFoundError:
            return None

    def _pages(self, path: str, delimiter: str = "") -> Iterator[dict[str, Any]]:
        """Yield listings of all objects below a folder, or of its own objects alone; a thousand each."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._meeting(path):
            yield from pages.paginate(Bucket=self._name, Prefix=_within(path), Delimiter=delimiter)

    @staticmethod
    def _named(path: str, keys: Iterable[str]) -> list[str]:
        """Return the names of keys below a folder; skip keys that are not valid paths."""
        names = (key[len(_within(path)) :] for key in keys)
        return [name for name in names if name not in ("", ".", "..")]

    def _full(self, path: str) -> str:
        return f"{self._name}/{path}" if path else self._name

    @contextmanager
    def _meeting(self, path: str) -> Iterator[None]:
        """Raise errors of boto3 as errors of a file system, without secrets that a server may have quoted."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        with without_secrets():
            try:
                yield
            except ClientError as error:
                raise _told(error, f"s3://{self._full(path)}") from None
            except (BotoCoreError, Boto3Error) as error:
                raise OSError(f"s3://{self._full(path)}: {error}") from None


def _within(path: str) -> str:
    return f"{path}/" if path else ""


def _told(error: ClientError, place: str) -> OSError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
        # No file is missing here: nothing can be kept at all.
        return OSError(f"{place}: {error}")
    kind = {403: PermissionError, 404: FileNotFoundError, 409: StaleError, 412: StaleError}.get(status, OSError)
    return kind(f"{place}: {error}")


def _client(region: str) -> Any:
    # Only those who work in object storage wait for it to be imported.
    import boto3
    from botocore.config import Config

    # At DEBUG botocore logs the headers of every request, and with them the session token.
    logging.getLogger("botocore").setLevel(logging.INFO)
    where = endpoint()
    config = Config(
        retries={"mode": "standard", "max_attempts": _TRIES},
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_REQUEST_SECONDS,
        max_pool_connections=_CONNECTIONS,
        # Servers that are not Amazon's are found by address, not by a name per bucket, and may not know checksums.
        s3={"addressing_style": "path" if where.url else "auto"},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return boto3.session.Session().client("s3", endpoint_url=where.url, region_name=region, config=config)
