"""Places in Google Cloud Storage and in Azure's Blob and Data Lake storage: by obstore, which has both.

As in `objects`, an object is there as a whole or not at all, and one of several writers wins by a condition on its put:
`ifGenerationMatch` at Google, `If-Match` and `If-None-Match` at Azure.
"""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

from pyarrow import fs

from synalign.errors import ConfigurationError, SetupError
from synalign.masking import mask
from synalign.storage.cloud_files import Reader, arrow
from synalign.storage.secrets import learn_of_clouds, without_secrets
from synalign.storage.store import Kept, StaleError, Store

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ObjectStore

GOOGLE, LAKE, BLOB = "gs://", "abfss://", "az://"
SCHEMES = (GOOGLE, LAKE, BLOB)

NAMES = {
    GOOGLE: re.compile(r"[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]", re.ASCII),
    LAKE: re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]@[a-z0-9]{3,24}\.(?:dfs|blob)(?:\.[a-z0-9-]+)+", re.ASCII),
    BLOB: re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", re.ASCII),
}
"""What may stand between an address's scheme and its first slash."""

_RETRIES = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_CLIENT = {"connect_timeout": "10s", "timeout": "120s"}
_ENDPOINTS = {GOOGLE: ("GOOGLE_BASE_URL",), LAKE: ("AZURE_STORAGE_ENDPOINT", "AZURE_ENDPOINT")}
_LONGEST = 300
_IN_MEMORY = 32 * 2**20
_PART = 8 * 2**20
_THREADS = 16


def container(scheme: str, name: str) -> Store:
    """Return a bucket or a container, with the credentials that the environment names now.

    Raises:
        SetupError: obstore is not installed.
        ConfigurationError: The environment names no account, or no usable credentials.
    """
    # A process that was forked must not use its parent's connections.
    environment = tuple(sorted(item for item in os.environ.items() if item[0].startswith(("GOOGLE_", "AZURE_"))))
    return _container(scheme, name, os.getpid(), environment)


@lru_cache(maxsize=16)
def _container(scheme: str, name: str, process: int, environment: tuple[tuple[str, str], ...]) -> Store:
    learn_of_clouds()
    return _Container(scheme, name)


class _Container:
    """The objects of one bucket or container, under keys. See `Store` for the methods."""

    def __init__(self, scheme: str, name: str) -> None:
        self._root = f"{scheme}{name}"
        self._store = _made(scheme, name)

    def read(self, path: str) -> bytes:
        import obstore

        with self._meeting(path):
            return bytes(obstore.get(self._store, path).bytes())

    def open_input(self, path: str) -> Any:
        size = self.size(path)
        if size is None:
            raise FileNotFoundError(f"{self._full(path)} is not there")
        if size <= _IN_MEMORY:
            return io.BytesIO(self.read(path))
        return io.BufferedReader(Reader(lambda start, end: self._range(path, start, end), size), _PART)

    @contextmanager
    def open_output(self, path: str) -> Iterator[IO[bytes]]:
        import obstore

        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            yield file
            file.seek(0)
            with self._meeting(path):
                # In parts when it is large; nothing of it is there before the last.
                obstore.put(self._store, path, file, chunk_size=_PART)

    def write(self, path: str, content: bytes) -> None:
        import obstore

        with self._meeting(path):
            obstore.put(self._store, path, content, use_multipart=False)

    def size(self, path: str) -> int | None:
        head = self._head(path)
        return None if head is None else int(head["size"])

    def holds(self, path: str) -> bool:
        return (bool(path) and self._head(path) is not None) or next(self.tree(path), None) is not None

    def files(self, path: str) -> list[str]:
        return self._named(path, (str(found["path"]) for found in self._listed(path)["objects"]))

    def folders(self, path: str) -> list[str]:
        return self._named(path, (prefix.rstrip("/") for prefix in self._listed(path)["common_prefixes"]))

    def tree(self, path: str) -> Iterator[Kept]:
        import obstore

        with self._meeting(path):
            for chunk in obstore.list(self._store, path or None, chunk_size=1000):
                yield from (Kept(str(found["path"]), int(found["size"])) for found in chunk)

    def make(self, path: str) -> None:
        """Do nothing: a folder is what its objects' keys begin with."""

    def remove(self, path: str) -> None:
        paths = [kept.path for kept in self.tree(path)]
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(self.unlink, [path, *paths] if path else paths))

    def unlink(self, path: str) -> None:
        import obstore

        try:
            with self._meeting(path):
                obstore.delete(self._store, path)
        except FileNotFoundError:
            return

    def tag(self, path: str) -> str | None:
        head = self._head(path)
        return None if head is None else _tag(head)

    def create(self, path: str, content: bytes) -> str:
        try:
            return self._put_if(path, content, "create")
        except StaleError:
            raise FileExistsError(f"{self._full(path)} is there already") from None

    def replace(self, path: str, content: bytes, tag: str) -> str:
        try:
            e_tag, version = json.loads(tag)
        except (ValueError, TypeError):
            raise StaleError(f"{self._full(path)} was changed by another process") from None
        known = {"e_tag": e_tag, "version": version}
        return self._put_if(path, content, {name: value for name, value in known.items() if value is not None})

    def filesystem(self) -> fs.FileSystem:
        return arrow(self, self._root.partition("://")[2])

    def _put_if(self, path: str, content: bytes, mode: Any) -> str:
        import obstore

        try:
            with self._meeting(path):
                return _tag(obstore.put(self._store, path, content, mode=mode, use_multipart=False))
        except (StaleError, FileExistsError, FileNotFoundError):
            # A put whose answer was lost is sent again, and then fails against itself.
            tag = self.tag(path)
            if tag is not None and self.read(path) == content:
                return tag
            raise StaleError(f"{self._full(path)} was changed by another process") from None

    def _head(self, path: str) -> Any:
        import obstore

        try:
            with self._meeting(path):
                return obstore.head(self._store, path)
        except FileNotFoundError:
            return None

    def _listed(self, path: str) -> Any:
        import obstore

        with self._meeting(path):
            return obstore.list_with_delimiter(self._store, path or None)

    def _range(self, path: str, start: int, end: int) -> bytes:
        import obstore

        with self._meeting(path):
            return bytes(obstore.get_range(self._store, path, start=start, end=end))

    @staticmethod
    def _named(path: str, keys: Iterable[str]) -> list[str]:
        names = (key[len(path) + 1 if path else 0 :] for key in keys)
        return [name for name in names if name not in ("", ".", "..")]

    def _full(self, path: str) -> str:
        return f"{self._root}/{path}" if path else self._root

    @contextmanager
    def _meeting(self, path: str) -> Iterator[None]:
        """Raise errors of obstore as errors of a file system, in one line and without secrets."""
        from obstore import exceptions

        with without_secrets():
            try:
                yield
            except (exceptions.BaseError, FileNotFoundError, PermissionError, FileExistsError) as error:
                raise _told(error, self._full(path)) from None


def _tag(found: UpdateVersion | Any) -> str:
    """Return what a condition is made of: Google's is a generation, Azure's an ETag."""
    return json.dumps([found.get("e_tag"), found.get("version")])


def _told(error: BaseException, place: str) -> OSError:
    from obstore import exceptions

    # What follows are the request and the answer, as Rust shows them.
    said = " ".join(mask(str(error)).partition("Debug source")[0].split())[:_LONGEST]
    kinds: tuple[tuple[tuple[type[BaseException], ...], type[OSError]], ...] = (
        ((exceptions.NotFoundError, FileNotFoundError), FileNotFoundError),
        ((exceptions.AlreadyExistsError, FileExistsError), FileExistsError),
        ((exceptions.PreconditionError,), StaleError),
        ((exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError), PermissionError),
    )
    kind = next((kind for causes, kind in kinds if isinstance(error, causes)), OSError)
    if kind is FileNotFoundError and re.search("NoSuchBucket|ContainerNotFound", str(error)):
        # No file is missing here: nothing can be kept at all.
        kind = OSError
    return kind(f"{place}: {said}")


def _made(scheme: str, name: str) -> ObjectStore:
    """Return a store of obstore, which reads the environment by itself."""
    try:
        from obstore.exceptions import BaseError
        from obstore.store import AzureStore, GCSStore
    except ImportError as error:
        raise SetupError(
            f"{scheme} needs the package obstore: {error}.", remedy="pip install 'synalign[clouds]', for all workers"
        ) from error
    names = _ENDPOINTS.get(scheme, _ENDPOINTS[LAKE])
    plain = any(os.environ.get(each, "").startswith("http://") for each in names)
    options: Any = {"client_options": {**_CLIENT, "allow_http": plain}, "retry_config": _RETRIES}
    try:
        if scheme == GOOGLE:
            return GCSStore(name, **options)
        file_system, _, account = name.partition("@")
        if account:
            options["account_name"] = account.partition(".")[0]
        return AzureStore(file_system, **options)
    except BaseError as error:
        with without_secrets():
            raise _unusable(scheme, _told(error, f"{scheme}{name}")) from None


def _unusable(scheme: str, error: OSError) -> ConfigurationError:
    # What obstore says of the environment, with the address.
    azure = "AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_ID"
    variables = "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT_KEY" if scheme == GOOGLE else azure
    return ConfigurationError(
        f"the storage {error}, cannot be used.",
        cause="the environment has no usable credentials or account",
        remedy=f"set {variables}",
    )
