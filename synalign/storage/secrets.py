"""What a storage server says may quote the key it was shown: never passed on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from synalign.masking import mask


@contextmanager
def without_secrets() -> Iterator[None]:
    """Raise errors of storage again, of the same kind, without keys and without their causes."""
    try:
        yield
    except OSError as error:
        raise type(error)(plain(error)) from None


def plain(error: OSError) -> str:
    """Return an error in one line, without keys."""
    return mask(" ".join(str(error).split()))
