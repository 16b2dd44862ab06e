"""Prompt templates: text files that hold a system message, a line `=== user ===`, and the user message.

Names of numbers such as `$count` are filled in, in both messages (`$$` is a dollar). Text from logs and documents
enters at `$data` only, which stands alone between a line `<data>` and a line `</data>` of the user message. SynAlign's
own templates lie in the folders of `families`; a retriever replaces them under `generation.prompts`. Imported by DAG
files: nothing heavy here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template as Blanks
from typing import TYPE_CHECKING, Any, NamedTuple

from synalign.errors import ConfigurationError
from synalign.prompts.families import family

if TYPE_CHECKING:
    from synalign.config import Configuration

OPEN, CLOSE, USER = "<data>", "</data>", "=== user ==="
NUMBERS = {
    "reason": frozenset({"count"}),
    "write": frozenset({"count", "queries_per_document", "max_query_characters"}),
    "judge": frozenset[str](),
}
"""Which numbers each kind of request knows."""

WRITING = ("reason", "write")
"""The kinds of requests by which candidates are written."""

JUDGE = "judge"
"""The kind of request by which candidates are judged, which is of no family: its text has no part in the writing."""

_DATA = ("$data", "${data}")
_VERSION_CHARACTERS = 12
_LONGEST_PATH = 300


class Template(NamedTuple):
    """A checked template.

    Attributes:
        system: The system message, with blanks.
        user: The user message, with blanks.
        digest: SHA-256 of the whole text, in hexadecimal.
    """

    system: str
    user: str
    digest: str


def template(kind: str, configuration: Configuration) -> Template:
    """Return the template of a kind of request, `reason`, `write` or `judge`: the retriever's own, or SynAlign's.

    Raises:
        ConfigurationError: The retriever names a file that was not read with its configuration.
    """
    files = files_of(configuration)
    if kind not in files:
        name = kind if configuration.task == "retrieval" else f"{kind}_label"
        folder = "large" if kind == JUDGE else family(configuration).name
        return _own(f"{folder}/{name}", kind)
    setting, path = files[kind]
    if kind not in configuration.templates:
        raise ConfigurationError(
            f"{setting} == {path!r}, was not read.",
            cause="the configuration was made by hand, and a relative path means nothing without its YAML file",
            remedy="load it with synalign.retriever_files.load",
        )
    return parse(configuration.templates[kind], kind, setting)


def files_of(configuration: Configuration) -> dict[str, tuple[str, str]]:
    """Return the template files that a retriever brings along: by kind of request its setting and its path."""
    prompts, judge = configuration.generation.prompts, configuration.screening.judge
    found = {kind: (f"generation.prompts.{kind}", path) for kind, path in prompts.files.items()}
    if judge is not None and judge.prompt is not None:
        found[JUDGE] = ("screening.judge.prompt", judge.prompt)
    return found


def prompt_version(kind: str, configuration: Configuration) -> str:
    """Return the start of a template's SHA-256, which tells one wording from another."""
    return template(kind, configuration).digest[:_VERSION_CHARACTERS]


def digests(configuration: Configuration) -> dict[str, str]:
    """Digest of each template: what the steps that write read from outside their run."""
    return {f"prompts/{kind}": template(kind, configuration).digest for kind in WRITING}


def judge_digests(configuration: Configuration) -> dict[str, str]:
    """Digest of the judge's template: what the step that asks it reads from outside its run; empty without a judge."""
    if configuration.screening.judge is None:
        return {}
    return {f"prompts/{JUDGE}": template(JUDGE, configuration).digest}


def used(configuration: Configuration) -> dict[str, Template]:
    """Return the templates that a refresh asks with, by kind of request."""
    asked = {
        "reason": family(configuration).attributes, "write": True, JUDGE: configuration.screening.judge is not None,
    }  # fmt: skip
    kinds = [kind for kind in NUMBERS if asked[kind]]
    return {kind: template(kind, configuration) for kind in kinds}


def with_blanks(text: str, blank: Callable[[str], str]) -> str:
    """Return a part of a template with its blanks in another notation.

    Examples:
        >>> with_blanks("$count queries for $$5", "{{{}}}".format)
        '{count} queries for $5'
    """

    def notation(match: re.Match[str]) -> str:
        name = match.group("named") or match.group("braced")
        return blank(name) if name else "$"

    return Blanks.pattern.sub(notation, text)


def read_all(configuration: Configuration, folder: Path) -> dict[str, str]:
    """Read and check the templates that a retriever brings along.

    Args:
        configuration: Its configuration.
        folder: Where relative paths start: that of its YAML file.

    Returns:
        Kind to text.

    Raises:
        ConfigurationError: A file is missing, not UTF-8, or no template; the message has every mistake.
    """
    texts: dict[str, str] = {}
    mistakes = []
    for kind, (setting, given) in files_of(configuration).items():
        path = folder / Path(given).expanduser()
        where = f"{setting} == {given[:_LONGEST_PATH]!r}"
        try:
            texts[kind] = path.read_text(encoding="utf-8-sig")
            parse(texts[kind], kind, where)
        except (OSError, UnicodeDecodeError) as error:
            # Its own words would have the whole path, however long.
            said = error.strerror if isinstance(error, OSError) else error
            mistakes.append(f"{where}, cannot be read: {said}.")
        except ConfigurationError as error:
            mistakes.append(error.message)
    if mistakes:
        raise ConfigurationError(
            "\n".join(mistakes),
            remedy="start from a copy of reason.txt, write.txt or judge.txt in synalign/prompts/large/",
        )
    return texts


def parse(text: str, kind: str, where: str) -> Template:
    """Check a template's text.

    Args:
        text: The text.
        kind: What it asks for, `reason`, `write` or `judge`.
        where: What a message calls it.

    Raises:
        ConfigurationError: It breaks a rule of this module; the message says which.
    """
    lines = text.split("\n")
    if lines.count(USER) != 1:
        raise ConfigurationError(f"{where}, must have one line `{USER}`, has {lines.count(USER)}.")
    cut = lines.index(USER)
    system, user = "\n".join(lines[:cut]).strip(), "\n".join(lines[cut + 1 :]).strip()
    if not system:
        raise ConfigurationError(f"{where}, must have a system message before the line `{USER}`.")
    for part, content, names in (("system", system, NUMBERS[kind]), ("user", user, NUMBERS[kind] | {"data"})):
        blanks = Blanks(content)
        if not blanks.is_valid():
            raise ConfigurationError(f"{where}, has a `$` in its {part} message that begins no name; `$$` is a dollar.")
        unknown = [name for name in blanks.get_identifiers() if name not in names]
        if unknown:
            known = ", ".join([f"${name}" for name in sorted(names - {"data"})] + ["$data"] * ("data" in names))
            raise ConfigurationError(
                f"{where}, its {part} message has `${unknown[0]}`, must be one of {known or 'none'}; `$$` is a dollar."
            )
    _check_block(user, where)
    return Template(system, user, hashlib.sha256(text.encode()).hexdigest())


def _check_block(user: str, where: str) -> None:
    lines = user.split("\n")
    block = [place for place, line in enumerate(lines) if line in (OPEN, CLOSE)]
    named = sum(found in ("data",) for found in _names(user))
    right = (
        named == 1
        and len(block) == 2
        and [lines[place] for place in block] == [OPEN, CLOSE]
        and block[1] == block[0] + 2
        and lines[block[0] + 1] in _DATA
    )
    if not right:
        raise ConfigurationError(
            f"{where}, must have `$data` once, alone between one line `{OPEN}` and one line `{CLOSE}` of its user "
            f"message; it has `$data` {named} times and {len(block)} such lines."
        )


def _names(text: str) -> list[Any]:
    return [match.group("named") or match.group("braced") for match in Blanks.pattern.finditer(text)]


@cache
def _own(name: str, kind: str) -> Template:
    text = resources.files(__package__).joinpath(f"{name}.txt").read_text(encoding="utf-8")
    return parse(text, kind, f"{name}.txt")
