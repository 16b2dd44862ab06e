"""A first YAML file for a retriever: what it needs to be filled in, and every other setting as a comment.

Lines that begin with `## ` explain. What stands behind a single `# ` is YAML: without that `# ` a setting says what it
would be anyway, so an editor's "uncomment" on a block gives a section that is right as it stands.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import yaml

from synalign.config.described import SOURCES, Setting, settings
from synalign.errors import ArgumentError

__all__ = ["SOURCES", "draft", "to_fill_in"]

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_WIDTH = 110
_PLAIN = frozenset({"", "text", "text, not empty", "text, or `null`", "`true` or `false`"})
_HEAD = """\
## A retriever's settings, for SynAlign. Written by `synalign init`.
##
## To fill in: {keys}.
##
##   synalign check FILE          says whether all is right, and names every mistake
##   synalign check --data FILE   says what a refresh would make of the log and the documents
##   synalign doctor FILE         says whether this machine is ready for it
##   synalign refresh FILE        runs a refresh on this machine
##
## Everything else is a comment and has its default. To change a setting, remove the `# ` before it and before the
## section that it is in. Keys and passwords never stand here: they come from the environment.
"""


def draft(source: str, retriever: str | None = None) -> str:
    """Return the text of a new retriever's YAML file.

    Args:
        source: Kind of the source, one of `SOURCES`.
        retriever: Name of the retriever; None: to be filled in.

    Raises:
        ArgumentError: There is no such kind.
    """
    if source not in SOURCES:
        raise ArgumentError("source", source, f"must be one of {', '.join(SOURCES)}")
    given = {"source.kind": source}
    if retriever is not None:
        given["retriever"] = retriever
    if source == "labelled":
        given["task"] = "classification"
    keys = ", ".join(to_fill_in(source, retriever))
    lines = [*_HEAD.format(keys=keys).splitlines(), ""]
    for setting in settings(source):
        lines += [*_live(setting, given, ""), ""]
    return "\n".join(lines)


def to_fill_in(source: str, retriever: str | None = None) -> list[str]:
    """Keys that only a person knows: they are `null` in the draft, and `synalign check` names each of them."""
    known = {"source.kind"} | ({"retriever"} if retriever is not None else set())
    return [value.key for setting in settings(source) for value in _needed(setting) if value.key not in known]


def _needed(setting: Setting) -> Iterator[Setting]:
    """Return the settings without which a file is not valid."""
    if setting.required and not setting.parts:
        yield setting
    for part in setting.parts if setting.required else ():
        yield from _needed(part)


def _live(setting: Setting, given: dict[str, Any], indent: str) -> Iterator[str]:
    """Return the lines of a setting: plain YAML where it is required, a comment elsewhere."""
    if not setting.required and setting.key not in given:
        for line in _block(setting):
            # What explains is a comment already.
            yield f"{indent}{line}" if line.startswith("## ") else f"{indent}# {line}"
        return
    yield from _about(setting, indent)
    if not setting.parts:
        yield f"{indent}{setting.name}: {_yaml(given[setting.key]) if setting.key in given else _blank(setting)}"
        return
    yield f"{indent}{setting.name}:"
    # What is to be filled in comes first.
    for part in sorted(setting.parts, key=lambda part: not (part.required or part.key in given)):
        yield from _live(part, given, f"{indent}  ")


def _blank(setting: Setting) -> str:
    """Return the placeholder for a value that a person must fill in."""
    return "# to fill in" + (f", for example {setting.example}" if setting.example is not None else "")


def _block(setting: Setting) -> Iterator[str]:
    """Return the lines of an optional setting as plain YAML: its default, or an example where it has none."""
    yield from _about(setting, "")
    if not setting.parts:
        yield f"{setting.name}: {_yaml(setting.example if setting.required else setting.default)}"
        return
    yield f"{setting.name}:"
    for part in setting.parts:
        # A section that is off: with what is in it, the block would switch it on.
        off = part.parts and part.default is None and not part.required
        for line in [*_about(part, ""), f"{part.name}: null"] if off else _block(part):
            yield f"  {line}"


def _about(setting: Setting, indent: str) -> Iterator[str]:
    """Return the comment of a setting: its description and, where the default does not tell, its values."""
    rule = "" if setting.rule in _PLAIN else f"{setting.rule[:1].upper()}{setting.rule[1:]}."
    text = " ".join(filter(None, [setting.about, rule]))
    yield from (f"{indent}## {line}" for line in _wrapped(text))
    for part in setting.each:
        rule = "" if part.rule in _PLAIN else f" ({part.rule})"
        yield from (f"{indent}## {line}" for line in _wrapped(f"- {part.name}{rule}: {part.about}"))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, subsequent_indent="  " * text.startswith("- "), break_long_words=False, break_on_hyphens=False
    )


def _yaml(value: Any) -> str:
    """Return a value as one line of YAML."""
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
    )
