"""Where the model is, and the secrets to it: its address, its key, and headers that come from the environment.

Imported by DAG files and by the triggerer: nothing heavy here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from synalign import masking
from synalign.errors import ConfigurationError

EMBEDDED, LOCAL_MODEL = "embedded", "local"
WRITER_VARIABLE = "SYNALIGN_WRITER_URL"
_PATHS = ("/chat/completions", "/embeddings", "/embed", "/rerank")
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})
_EXAMPLE = (
    "a value alone where generation.headers_variable is {api-key: VARIABLE}; else "
    + 'a JSON object such as {"api-key": "..."}, or lines `Name: value`'
)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)


class Endpoint(NamedTuple):
    """An address and its secrets.

    Attributes:
        url: Base URL, usually ending in `/v1`; it may have a query.
        api_key: The key; never logged, stored or shown. Empty: none is sent.
        headers: Headers of every request; their values are secrets, too.
        slots: Requests that it answers at a time, where it is known to be so few that more would only wait.
    """

    url: str
    api_key: str
    headers: Mapping[str, str] = {}
    slots: int | None = None

    def __repr__(self) -> str:
        return f"Endpoint(url={self.url!r}, api_key=***, headers={dict.fromkeys(self.headers, '***')})"


def base(url: str) -> str:
    """Return an address without its query and without the path of what is asked there.

    Examples:
        >>> base("https://x.example/openai/deployments/d/chat/completions?api-version=2024-10-21")
        'https://x.example/openai/deployments/d'
        >>> base("https://x.example/v1/")
        'https://x.example/v1'
        >>> base("http://127.0.0.1:8080/v1/embeddings")
        'http://127.0.0.1:8080/v1'
    """
    scheme, host, path, _, _ = urlsplit(url)
    path = path.rstrip("/")
    for suffix in _PATHS:
        path = path.removesuffix(suffix)
    return urlunsplit((scheme, host, path.rstrip("/"), "", ""))


def query(url: str) -> dict[str, str]:
    """Return the query of an address; of several values of one name the last.

    Examples:
        >>> query("https://x.example/v1?api-version=2024-10-21")
        {'api-version': '2024-10-21'}
    """
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def local(url: str) -> bool:
    """Return whether an address is of this machine, so that no proxy of the environment is used for it."""
    return urlsplit(url).hostname in LOCAL


def headers(
    headers_variable: Mapping[str, str] | str | None, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the headers that variables of the environment hold. An error never shows their values.

    Args:
        headers_variable: Name of a header to name of a variable, or one variable that holds them all.
        environment: The variables; None: this process's.

    Raises:
        ConfigurationError: A variable is not set, or holds what no header can.
    """
    if headers_variable is None:
        return {}
    given = os.environ if environment is None else environment
    if isinstance(headers_variable, str):
        purpose = f"generation.headers_variable names it; {_EXAMPLE}"
        found = _all_in(headers_variable, _value(headers_variable, purpose, given))
        source = dict.fromkeys(found, headers_variable)
    else:
        source = dict(headers_variable)
        found = {name: _value(variable, f"it is to hold the header {name}", given) for name, variable in source.items()}
    for name, value in found.items():
        if not value or not _HEADER.fullmatch(name) or not (value.isascii() and value.isprintable()):
            raise ConfigurationError(
                f"the environment variable {source[name]} holds what is no header.",
                cause="a line end, quotes or another character was copied with it",
                remedy=_EXAMPLE,
            )
        masking.learn(value)
        # `Bearer ...` and its like: a server may quote the secret alone.
        masking.learn(value.rpartition(" ")[2])
    return found


def _all_in(variable: str, content: str) -> dict[str, str]:
    """Parse the headers in one variable: a JSON object, or lines."""
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        lines = [line.partition(":") for line in content.splitlines() if line.strip()]
        read = {name.strip(): value.strip() for name, colon, value in lines if colon}
        read = read if len(read) == len(lines) else None
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise ConfigurationError(f"the environment variable {variable} holds what is no header.", remedy=_EXAMPLE)
    return read


def _value(variable: str, purpose: str, environment: Mapping[str, str]) -> str:
    value = environment.get(variable, "").strip()
    if not value:
        raise ConfigurationError(
            f"the environment variable {variable} is not set; {purpose}.",
            remedy=f"export {variable}=..., or correct generation.headers_variable",
        )
    return value
