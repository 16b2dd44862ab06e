"""Where the model is and the key to it: a configured endpoint, or the writer that ships with SynAlign."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from synalign import masking
from synalign.config import Generation
from synalign.errors import ConfigurationError
from synalign.writer.server import embedded_writer

EMBEDDED = "embedded"
WRITER_VARIABLE = "SYNALIGN_WRITER_URL"
_NO_KEY = "no-key-needed"


class Endpoint(NamedTuple):
    """An address and its secret.

    Attributes:
        url: Base URL, usually ending in `/v1`.
        api_key: The key; never logged, stored or shown.
    """

    url: str
    api_key: str

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r}, api_key=***)"


@contextmanager
def endpoint(settings: Generation) -> Iterator[Endpoint]:
    """The endpoint of a configuration; the embedded writer is started for the time of use unless one is running.

    Raises:
        ConfigurationError: The environment variable with the key, or with the running writer's URL, is unusable.
    """
    if settings.endpoint != EMBEDDED:
        yield Endpoint(settings.endpoint, _api_key(settings))
        return
    url = os.environ.get(WRITER_VARIABLE, "").strip()
    if not url:
        with embedded_writer() as url:
            yield Endpoint(url, _NO_KEY)
    elif url.startswith(("http://", "https://")):
        yield Endpoint(url, _NO_KEY)
    else:
        raise ConfigurationError(
            f"{WRITER_VARIABLE} == {url!r}, must be a URL such as http://127.0.0.1:8100/v1.",
            remedy="correct it, or unset it and a writer is started for the time of the step",
        )


def _api_key(settings: Generation) -> str:
    """The key from the environment; what is wrong with it is told without showing it."""
    key = os.environ.get(settings.api_key_variable, "").strip()
    remedy = f"export {settings.api_key_variable}=..., or name another variable in generation.api_key_variable"
    if not key:
        raise ConfigurationError(
            f"the environment variable {settings.api_key_variable} is not set; {settings.endpoint} needs a key.",
            remedy=remedy + "; an endpoint without keys takes any text",
        )
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"the environment variable {settings.api_key_variable} holds characters that no key has.",
            cause="more than the key was copied",
            remedy=remedy,
        )
    masking.learn(key)
    return key
