"""Where the model is and the key to it: a configured endpoint, or the writer that ships with SynAlign."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from synalign import masking
from synalign.config import Generation
from synalign.errors import ConfigurationError
from synalign.generation.headers import headers
from synalign.writer.server import embedded_writer

EMBEDDED = "embedded"
WRITER_VARIABLE = "SYNALIGN_WRITER_URL"
_NO_KEY = "no-key-needed"


class Endpoint(NamedTuple):
    """An address and its secrets.

    Attributes:
        url: Base URL, usually ending in `/v1`; it may have a query.
        api_key: The key; never logged, stored or shown. Empty: none is sent.
        headers: Headers of every request; their values are secrets, too.
    """

    url: str
    api_key: str
    headers: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r}, api_key=***, headers={dict.fromkeys(self.headers, '***')})"


@contextmanager
def endpoint(settings: Generation) -> Iterator[Endpoint]:
    """The endpoint of a configuration; the embedded writer is started for the time of use unless one is running.

    Raises:
        ConfigurationError: An environment variable with the key, a header, or the running writer's URL is unusable.
    """
    if settings.endpoint != EMBEDDED:
        yield Endpoint(settings.endpoint, _api_key(settings), headers(settings.headers_variable))
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
    """The key from the environment, or none; what is wrong with it is told without showing it."""
    if settings.api_key_variable is None:
        return ""
    key = os.environ.get(settings.api_key_variable, "").strip()
    remedy = f"export {settings.api_key_variable}=..., or name another variable in generation.api_key_variable"
    if not key:
        raise ConfigurationError(
            f"the environment variable {settings.api_key_variable} is not set; {settings.endpoint} needs a key.",
            remedy=remedy + "; an endpoint without keys takes any text, or none with generation.api_key_variable: null",
        )
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"the environment variable {settings.api_key_variable} holds characters that no key has.",
            cause="more than the key was copied",
            remedy=remedy,
        )
    masking.learn(key)
    return key
