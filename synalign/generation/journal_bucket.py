"""A journal in object storage: one immutable object per write, under a name that no other writer has.

Nothing is renamed, appended to or replaced, so an object is there as a whole or not at all, and writers never meet.
Opening a journal lists its objects. Many small ones are folded into one then: the new object is there before the old
ones are deleted, so that every answer is in at least one of them at any moment.
"""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pyarrow import fs

from synalign.errors import ConfigurationError
from synalign.storage import Place
from synalign.storage.secrets import plain, without_secrets

log = logging.getLogger("synalign")

_NAME = re.compile(r"responses-.*\.jsonl", re.ASCII)
_THREADS = 16
_LISTINGS = 10
# Objects below the limit are small; from that many on they are folded. An object of this size is read in a second.
_SMALL = 2**20
_FOLDED_FROM = 64
_LARGEST = 4 * 2**20


class Bucket:
    """The objects of a journal under one prefix.

    Endpoint, region and credentials come from the environment, as for any AWS tool; `AWS_ENDPOINT_URL_S3` or
    `AWS_ENDPOINT_URL` name a server that is not Amazon's.

    Args:
        place: `s3://bucket/prefix`.

    Raises:
        ConfigurationError: The place or the endpoint is malformed.
        OSError: The bucket cannot be reached or written to.
    """

    def __init__(self, place: str) -> None:
        try:
            self._storage, self._folder = Place(place).filesystem()
        except ConfigurationError as error:
            # Not shown: it may hold a key. What is wrong with the endpoint is told as it is.
            if error.message.startswith("AWS_"):
                raise
            raise ConfigurationError(
                "runtime.journal must be s3://bucket or s3://bucket/prefix, without empty parts, `?` and `#`.",
                cause="credentials or options in the URL; they belong in the environment",
                remedy="for example s3://search-team/synalign/journal",
            ) from None
        self._writer = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:12]}"
        self._count = 0
        with without_secrets():
            self._may_delete = self._probe()

    def read(self) -> Iterator[tuple[str, bytes]]:
        """Name and content of each object. What comes of it is taken for sound: small ones are folded at the end."""
        with without_secrets():
            contents = self._contents()
        for path, content in sorted(contents.items()):
            # Nothing tears an object: an end in mid-line is damage, to be met as a damaged line.
            yield f"s3://{path}", content if content.endswith(b"\n") or not content else content + b"\n"
        small = {path: content for path, content in contents.items() if len(content) < _SMALL}
        if len(small) >= _FOLDED_FROM and self._may_delete:
            with without_secrets():
                self._fold(small)

    def append(self, lines: bytes) -> None:
        """Put some lines as a new object, or as several when they are many megabytes."""
        with without_secrets():
            for part in _parts(lines):
                self._put(part)

    def close(self) -> None:
        """Nothing is held."""

    def _probe(self) -> bool:
        """Whether objects can be deleted here. That they can be written shows before anything is paid for."""
        path = self._put(b"")
        try:
            self._storage.delete_file(path)
        except OSError as error:
            log.info("journal: %s stays unfolded: %s", self._folder, plain(error))
            return False
        return True

    def _contents(self) -> dict[str, bytes]:
        """Path and content of every object. One that is gone was folded by another process meanwhile: look again."""
        contents: dict[str, bytes] = {}
        for _ in range(_LISTINGS):
            listed = self._list()
            missing = sorted(listed - contents.keys())
            if not missing:
                return contents
            contents.update(
                (path, content)
                for path, content in zip(missing, self._each(self._get, missing), strict=True)
                if content is not None
            )
        raise OSError(f"the objects in {self._folder} changed all the time while they were read")

    def _list(self) -> set[str]:
        selector = fs.FileSelector(self._folder, allow_not_found=True)
        found = self._storage.get_file_info(selector)
        return {info.path for info in found if info.is_file and _NAME.fullmatch(info.base_name)}

    def _get(self, path: str) -> bytes | None:
        try:
            with self._storage.open_input_stream(path) as stream:
                return bytes(stream.read())
        except OSError:
            # Gone after it was opened is told as an error of many kinds: what counts is whether it is gone.
            if self._storage.get_file_info(path).type == fs.FileType.NotFound:
                return None
            raise

    def _put(self, content: bytes) -> str:
        path = f"{self._folder}/responses-{self._writer}-{self._count:06d}.jsonl"
        # Counted even if it fails: whether it is there all the same, nobody knows then.
        self._count += 1
        with self._storage.open_output_stream(path) as stream:
            stream.write(content)
        return path

    def _fold(self, small: dict[str, bytes]) -> None:
        for part in _parts(b"".join(content for _, content in sorted(small.items()))):
            self._put(part)
        self._each(self._delete, sorted(small))

    def _delete(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._storage.delete_file(path)

    @staticmethod
    def _each(work: Callable[[str], Any], paths: list[str]) -> list[Any]:
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(work, paths))


def _parts(lines: bytes) -> Iterator[bytes]:
    """Whole lines in parts of at most 4 MiB, or of one line that is larger."""
    while lines:
        end = lines.rfind(b"\n", 0, _LARGEST) + 1 or lines.find(b"\n") + 1 or len(lines)
        yield lines[:end]
        lines = lines[end:]
