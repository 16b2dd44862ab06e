"""The address of an endpoint: its path and its query apart, so that a call's path goes between them.

Imported by DAG files and by the triggerer: nothing heavy here.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit, urlunsplit

_COMPLETIONS = "/chat/completions"
LOCAL = frozenset({"127.0.0.1", "localhost", "::1"})


def base(url: str) -> str:
    """An address without its query, and without the path of the one call that every endpoint has.

    Examples:
        >>> base("https://x.example/openai/deployments/d/chat/completions?api-version=2024-10-21")
        'https://x.example/openai/deployments/d'
        >>> base("https://x.example/v1/")
        'https://x.example/v1'
    """
    scheme, host, path, _, _ = urlsplit(url)
    path = path.rstrip("/")
    return urlunsplit((scheme, host, path.removesuffix(_COMPLETIONS).rstrip("/"), "", ""))


def query(url: str) -> dict[str, str]:
    """The query of an address; of several values of one name the last.

    Examples:
        >>> query("https://x.example/v1?api-version=2024-10-21")
        {'api-version': '2024-10-21'}
    """
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def local(url: str) -> bool:
    """Whether an address is one of this machine: a proxy of the environment has no business with it."""
    return urlsplit(url).hostname in LOCAL
