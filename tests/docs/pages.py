"""The Markdown pages as their readers use them: blocks to copy, commands to type, links to follow, names to look up."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
_FILE = re.compile(r"<!-- (?:file: (?P<file>\S+)|filled in: (?P<filled>\S+) as (?P<like>\S+)) -->")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)")


class Block(NamedTuple):
    """A fenced block.

    Attributes:
        page: The page it stands on.
        line: Line of its fence.
        language: `sh` is run, `python` too, `yaml` is checked; anything else is only read.
        file: Name of the file that a reader saves it as; empty for none.
        filled: Name of a file that a reader has filled in before, and of one that looks like it then; or None.
        text: What is between the fences.
    """

    page: Path
    line: int
    language: str
    file: str
    filled: tuple[str, str] | None
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def tokens(page: Path) -> list[Token]:
    """A page as markdown-it reads it."""
    return MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8"))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found, file, filled = [], "", None
    for token in tokens(page):
        if token.type == "fence":
            line = token.map[0] + 1 if token.map else 0
            found.append(Block(page, line, token.info.strip(), file, filled, token.content))
        named = _FILE.search(token.content) if token.type == "html_block" else None
        file = (named and named["file"]) or ""
        filled = (named["filled"], named["like"]) if named and named["filled"] else None
    return found


def spans(page: Path) -> list[str]:
    """What stands in `code` in the running text and the tables of a page."""
    return [child.content for child in _children(page) if child.type == "code_inline"]


def links(page: Path) -> list[str]:
    """Targets of links and images."""
    keys = {"link_open": "href", "image": "src"}
    return [str(child.attrs[keys[child.type]]) for child in _children(page) if child.type in keys]


def anchors(page: Path) -> set[str]:
    """What `#...` can name on a page: its headings, as GitHub spells them."""
    found = tokens(page)
    headings = [found[place + 1].content for place, token in enumerate(found) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path, name: str) -> list[str]:
    """Every line of a block, and every span, that calls a command: `synalign check FILE`, `make test`."""
    lines = [line for block in blocks(page) if block.language in ("sh", "") for line in block.text.splitlines()]
    found = [line.strip().removeprefix("$ ") for line in lines] + spans(page)
    return [line for line in found if line == name or line.startswith(f"{name} ")]


def words(command: str) -> list[str]:
    """The words of a command, less comments, redirections and what a pipe hands it to."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|>&;")
    lexer.whitespace_split = True
    found = list(lexer)
    ends = [place for place, word in enumerate(found) if re.fullmatch(r"[|>&;]+", word)]
    return [word for word in found[: min(ends, default=len(found))] if word != "..."]


def rows(page: Path) -> list[tuple[str, list[str]]]:
    """Rows of the tables of a page, each with the heading above it; cells as they are written."""
    found: list[tuple[str, list[str]]] = []
    heading = ""
    stream = iter(tokens(page))
    for token in stream:
        if token.type == "heading_open":
            heading = next(stream).content
        elif token.type == "tr_open":
            found.append((heading, []))
        elif token.type == "inline" and found and token.level > 2:
            found[-1][1].append(token.content)
    return found


def code(cell: str) -> str:
    """What stands in the first `code` of a cell; empty where there is none."""
    match = _CODE.search(cell)
    return match[2].strip() if match else ""


def _children(page: Path) -> list[Any]:
    return [child for token in tokens(page) for child in token.children or []]
