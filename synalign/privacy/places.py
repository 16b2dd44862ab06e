"""E-mail and IP addresses in a text."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

_LOCAL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}\Z")
# A label and its dot never match the same character, and every count is bounded: no backtracking worth the name.
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w@])")
_IMAGE = re.compile(r"[1-4]x\.", re.IGNORECASE)

_FOUR = re.compile(r"(?<![A-Za-z0-9_.])(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?![A-Za-z0-9_]|\.\d)")
_VERSION = re.compile(r"(?:\bv|\bver|version|release|build|firmware|driver|update)\.?\s{0,2}\Z", re.IGNORECASE)
_SMALL = 26
_SIX = re.compile(r"(?<![A-Za-z0-9_:.])(?:[23][0-9A-Fa-f]{3}|f[cd][0-9A-Fa-f]{2}|fe[89abAB][0-9A-Fa-f]):"
                  r"[0-9A-Fa-f:]{1,34}(?![A-Za-z0-9_:])", re.IGNORECASE)  # fmt: skip


def emails(text: str) -> Iterator[tuple[int, int]]:
    """E-mail addresses: up to 64 characters, `@`, and a domain of labels whose last is of letters only.

    Not `git@` (the user of every clone address), an image of double size such as `icon@2x.png`, a name without a
    domain, or a package with its version (`lodash@4.17.21`). Addresses that are spelled out (`jane at example`) are
    not recognised.
    """
    end, at = 0, text.find("@")
    while at >= 0:
        local = _LOCAL.search(text, max(end, at - 64), at)
        domain = _DOMAIN.match(text, at + 1)
        if local and domain and local.group().strip(".'") not in ("", "git") and not _IMAGE.match(domain.group()):
            start = local.start() + len(local.group()) - len(local.group().lstrip(".'`"))
            end = domain.end()
            yield start, end
        at = text.find("@", max(at + 1, end))


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """IP addresses, version 4 and 6, that can be one machine's.

    Version 4: four numbers up to 255 between dots. Not loopback, multicast, reserved or a mask; not a private address
    that ends in 0, 1, 254 or 255 (routers and networks: `192.168.1.1` is what people type to log in to theirs); not
    four numbers that are all below 26, or that stand behind a word such as `version`: those are releases, or
    well-known servers such as `8.8.8.8`. Version 6: the ranges of single machines (2000::/3, fc00::/7, fe80::/10).
    """
    spans = [match.span() for match in _FOUR.finditer(text) if _is_four(match, text)]
    if text.count(":") > 1:
        spans += [(match.start(), match.start() + length) for match in _SIX.finditer(text) if (length := _six(match))]
    end = 0
    for start, stop in sorted(spans):
        if start >= end:
            yield start, stop
            end = stop


def _is_four(match: re.Match[str], text: str) -> bool:
    parts = [int(part) for part in match.groups()]
    if max(parts) > 255 or max(parts) < _SMALL or _VERSION.search(text, max(0, match.start() - 12), match.start()):
        return False
    address = ipaddress.IPv4Address(bytes(parts))
    if address.is_loopback or address.is_multicast or address.is_reserved or parts[0] in (0, 255):
        return False
    return not (address.is_private and parts[3] in (0, 1, 254, 255))


def _six(match: re.Match[str]) -> int:
    """Return how many characters of a match are an address, 0 for none. A colon behind may be the sentence's."""
    for text in (match.group(), match.group().rstrip(":")):
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            continue
        return len(text)
    return 0
