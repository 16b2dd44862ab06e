"""Headers of every call to an endpoint, whose values are secrets: they come from the environment.

Imported by the triggerer: nothing heavy here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping

from synalign import masking
from synalign.errors import ConfigurationError

_EXAMPLE = (
    "a value alone where generation.headers_variable is {api-key: VARIABLE}; else "
    + 'a JSON object such as {"api-key": "..."}, or lines `Name: value`'
)
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}", re.ASCII)


def headers(headers_variable: Mapping[str, str] | str | None) -> dict[str, str]:
    """The headers that variables of the environment hold; what is wrong with one is told without showing it.

    Args:
        headers_variable: Name of a header to name of a variable, or one variable that holds them all.

    Raises:
        ConfigurationError: A variable is not set, or holds what no header can.
    """
    if headers_variable is None:
        return {}
    if isinstance(headers_variable, str):
        found = _all_in(headers_variable, _value(headers_variable, f"generation.headers_variable names it; {_EXAMPLE}"))
        source = dict.fromkeys(found, headers_variable)
    else:
        source = dict(headers_variable)
        found = {name: _value(variable, f"it is to hold the header {name}") for name, variable in source.items()}
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
    """The headers in one variable: a JSON object, or lines."""
    try:
        read = json.loads(content)
    except (ValueError, RecursionError):
        lines = [line.partition(":") for line in content.splitlines() if line.strip()]
        read = {name.strip(): value.strip() for name, colon, value in lines if colon}
        read = read if len(read) == len(lines) else None
    if not isinstance(read, dict) or not all(isinstance(value, str) for value in read.values()):
        raise ConfigurationError(f"the environment variable {variable} holds what is no header.", remedy=_EXAMPLE)
    return read


def _value(variable: str, purpose: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigurationError(
            f"the environment variable {variable} is not set; {purpose}.",
            remedy=f"export {variable}=..., or correct generation.headers_variable",
        )
    return value
