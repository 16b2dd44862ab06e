"""Reading a file of settings that a person wrote: safely, and with the line of every key.

This module is imported by DAG files, so it imports nothing heavier than PyYAML.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from synalign.errors import ConfigurationError

LARGEST = 250_000
"""Bytes of a file; the longest draft of `synalign init` has a twentieth of that."""

DEEPEST = 20
"""Mappings and lists within each other; the deepest setting there is has five."""

MOST_NODES = 20_000
"""Values of a file, each counted as often as it is said again by an alias: nine lines of aliases can say a billion."""

_REMEDIES = (
    ("character '\\t'", "YAML indents with spaces: replace the tab"),
    ("scanning an alias", 'put a value that begins with * in quotes, such as cron: "*/5 * * * *"'),
    ("undefined alias", "put a value that begins with * in quotes"),
    ("cannot start any token", "put the value in quotes"),
    ("mapping values are not allowed", "put a value that has a colon in quotes, or align the line with those above it"),
    ("expected ':'", "write each setting as `key: value`, and align it with its section"),
    ("block end", "align the line with those of its section"),
    ("single document", "keep one document: remove the lines `---` and what follows them"),
    ("constructor for the tag", "remove the tag that begins with `!`"),
    ("given twice", "keep one of them"),
    ("special characters", "remove the control character"),
)


class Written(dict[str, Any]):
    """A mapping as it was read from a file.

    Attributes:
        lines: The line of each key and list entry, by its path of keys (each as text), from 1.
    """

    lines: Mapping[tuple[str, ...], int]


def read(path: Path) -> Written:
    """Read the mapping in a YAML (or JSON, which is YAML too) file.

    Raises:
        ConfigurationError: The file cannot be read, is too large or not valid, gives a key twice, nests too deep, says
            too much by aliases, or is no mapping.
    """
    text = _text(path)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        content = None if node is None else loader.construct_document(node)
    except (yaml.YAMLError, RecursionError) as error:
        raise _invalid(path, text, error) from error
    if content is None:
        raise ConfigurationError(
            f"{path}: is empty, must be a mapping of settings.", remedy="`synalign init` writes one"
        )
    if node is None or not isinstance(content, dict):
        raise ConfigurationError(
            f"{path}: must be a mapping of settings, is {_kind(content)}.",
            remedy="write each setting as `key: value`; `synalign init` writes a first file",
        )
    written = Written(content)
    written.lines = dict(_lines(node, ()))
    return written


def _text(path: Path) -> str:
    """Return a file's text; what has no end, such as a device, is refused as what is too large."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ConfigurationError(f"{path}: cannot be read: {reason}.", remedy="check the path") from error
    if len(content) > LARGEST:
        raise ConfigurationError(
            f"{path}: is not valid YAML: it has more than {LARGEST} bytes.", remedy="is this the right file?"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{path}: cannot be read: byte 0x{content[error.start]:02x} is no UTF-8 (line {line}).",
            cause="the file was saved in another encoding, such as latin-1 or UTF-16",
            remedy="save it as UTF-8",
        ) from error


def _invalid(path: Path, text: str, error: yaml.YAMLError | RecursionError) -> ConfigurationError:
    """Return what is wrong with a file that is no YAML, with its line."""
    line, problem = 0, " ".join(str(error).split())
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        problem = " ".join(filter(None, [error.context, error.problem]))
    elif isinstance(error, yaml.reader.ReaderError):
        line, problem = (
            text.count("\n", 0, error.position) + 1,
            f"special characters are not allowed (#x{error.character:04x})",
        )
    remedy = next((remedy for sign, remedy in _REMEDIES if sign in problem), "change the line named above")
    where = f" (line {line})" if line else ""
    return ConfigurationError(f"{path}: is not valid YAML: {problem[:400]}{where}.", remedy=remedy)


def _kind(content: Any) -> str:
    names = {str: "text", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(content), type(content).__name__)


def _lines(node: yaml.Node, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Yield the line of each key and list entry below a node; what an alias stands for has its own lines."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            # As it is once it is read: a bare `yes` is true.
            bare = key.tag.endswith(":bool")
            here = (*path, str(_Loader.bool_values[key.value.lower()] if bare else key.value))
            yield here, key.start_mark.line + 1
            yield from _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for number, part in enumerate(node.value):
            here = (*path, str(number))
            yield here, part.start_mark.line + 1
            yield from _lines(part, here)


def _fault(problem: str, node: yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key given twice (PyYAML keeps the last in silence), and bombs.

    Sizes are judged on the parsed nodes, before any value is made of them.
    """

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _measure(node, DEEPEST, {})
        return node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # Counted while it is read: neither Python's stack nor anybody's patience must end first.
        self._depth = getattr(self, "_depth", 0) + 1
        self._nodes = getattr(self, "_nodes", 0) + 1
        try:
            if self._depth > DEEPEST:
                raise yaml.YAMLError(f"it nests deeper than {DEEPEST}")
            if self._nodes > MOST_NODES:
                raise yaml.YAMLError(f"it says more than {MOST_NODES} values")
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            # Such as a day that no month has, or a number of ten thousand digits.
            raise _fault(f"{str(node.value)[:100]!r} has no value: {error}", node) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _fault("a key must be text, is a list or a mapping", key_node)
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise _fault(f"key {key!r} is given twice", key_node)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _measure(node: yaml.Node, depth: int, known: dict[int, int]) -> int:
    """Count the values of a node, aliases written out; each node is visited once.

    Raises:
        yaml.YAMLError: Too many, too deep, or an alias that says itself.
    """
    if id(node) in known:
        if known[id(node)] == 0:
            raise _fault("an alias stands within what it names", node)
        return known[id(node)]
    if depth < 0:
        raise yaml.YAMLError(f"it nests deeper than {DEEPEST}")
    known[id(node)] = 0
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    size = 1 + sum(_measure(part, depth - 1, known) for part in parts)
    if size > MOST_NODES:
        raise _fault(f"it says more than {MOST_NODES} values", node)
    known[id(node)] = size
    return size
