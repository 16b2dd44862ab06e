"""The endpoint of a configuration: the one that it names, a local model, or the embedded writer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from synalign import masking
from synalign.config import Encoder, Generation, Teacher
from synalign.errors import ConfigurationError
from synalign.generation.endpoint import EMBEDDED, LOCAL_MODEL, WRITER_VARIABLE, Endpoint, headers
from synalign.writer.local_model import local_model
from synalign.writer.server import embedded_writer

_NO_KEY = "no-key-needed"


@contextmanager
def endpoint(settings: Generation) -> Iterator[Endpoint]:
    """Yield the endpoint of a configuration; a local model runs for the time of use, and so does the embedded writer.

    Raises:
        ConfigurationError: An environment variable with the key, a header, or the running writer's URL is unusable;
            or there is no such local model.
        SetupError: What a local model needs is not installed, or it does not start.
    """
    if settings.endpoint == LOCAL_MODEL:
        with local_model(settings) as served:
            yield Endpoint(served.url, _NO_KEY, slots=served.slots)
        return
    if settings.endpoint != EMBEDDED:
        yield Endpoint(settings.endpoint, api_key(settings), headers(settings.headers_variable))
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


def api_key(settings: Generation | Teacher | Encoder, section: str = "generation") -> str:
    """Return the key from the environment, or an empty one. An error never shows it.

    Args:
        settings: Its `api_key_variable` is the variable that holds the key.
        section: Its name in the configuration.

    Raises:
        ConfigurationError: The variable is not set, or holds no key.
    """
    if settings.api_key_variable is None:
        return ""
    key = os.environ.get(settings.api_key_variable, "").strip()
    remedy = f"export {settings.api_key_variable}=..., or name another variable in {section}.api_key_variable"
    if not key:
        raise ConfigurationError(
            f"the environment variable {settings.api_key_variable} is not set; {settings.endpoint} needs a key.",
            remedy=f"{remedy}; an endpoint without keys takes any text, or none with {section}.api_key_variable: null",
        )
    if not (key.isascii() and key.isprintable()):
        raise ConfigurationError(
            f"the environment variable {settings.api_key_variable} holds characters that no key has.",
            cause="more than the key was copied",
            remedy=remedy,
        )
    masking.learn(key)
    return key
