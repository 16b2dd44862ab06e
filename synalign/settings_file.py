"""Reading a file of settings that a person wrote, and telling its mistakes as `file: key == value, rule`.

This module is imported by DAG files, so it imports nothing heavier than pydantic and PyYAML.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from synalign.config import SECRET
from synalign.errors import ConfigurationError
from synalign.masking import MASK, is_secret

LONGEST_VALUE = 200
"""Characters of a wrong value that a message shows."""

LARGEST = 250_000
"""Bytes of a file; the longest draft of `synalign init` has a twentieth of that."""

DEEPEST = 20
"""Mappings and lists within each other; the deepest setting there is has five."""

MOST_NODES = 20_000
"""Values of a file, each counted as often as it is said again by an alias: nine lines of aliases can say a billion."""


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML (or JSON, which is YAML too) file.

    Raises:
        ConfigurationError: The file cannot be read, is too large or not valid, gives a key twice, nests too deep, says
            too much by aliases, or is no mapping.
    """
    try:
        content = yaml.load(_text(path), Loader=_UniqueKeys)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error}.", remedy="check the path and its encoding"
        ) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # Impossible dates are a ValueError of the YAML reader, nesting without end a RecursionError.
        raise ConfigurationError(f"{path}: is not valid YAML: {error}.", remedy="mend the line named above") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: must be a mapping of settings, is {type(content).__name__}.")
    return content


def _text(path: Path) -> str:
    """A file's text; what has no end, such as a device, is refused as what is too large."""
    with open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise yaml.YAMLError(f"it has more than {LARGEST} bytes")
    return content.decode("utf-8")


def explain(path: Path | str, item: Any, *, unseen: tuple[str, ...] = ()) -> str:
    """One of pydantic's errors as `file: key == value, rule`.

    Args:
        path: The file.
        item: The error, as in `ValidationError.errors()`.
        unseen: Parts of its location that the user never wrote, such as a union's tags.
    """
    key = ".".join(str(part) for part in item["loc"] if part not in unseen) or "(whole file)"
    if item["type"] == "missing":
        return f"{path}: {key} is missing, it is required."
    if item["type"] == "extra_forbidden":
        # A key that somebody put here by mistake is not to be shown, least of all in a log.
        value = MASK if is_secret(str(item["loc"][-1])) or _has_secrets(item["input"]) else _short(item["input"])
        return f"{path}: {key} == {value}, is not a known setting."
    if item["type"] == SECRET:
        return f"{path}: {key} {item['msg']}."
    rule = item["msg"].removeprefix("Value error, ")
    if item["input"] is None:
        return f"{path}: {key} is empty, {rule}."
    return f"{path}: {key} == {_short(item['input'])}, {rule}."


def _has_secrets(value: Any) -> bool:
    if isinstance(value, dict):
        return any(is_secret(str(key)) or _has_secrets(part) for key, part in value.items())
    return isinstance(value, list) and any(map(_has_secrets, value))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + "..."


class _UniqueKeys(yaml.SafeLoader):
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

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.YAMLError(f"key {key!r} is given twice, line {key_node.start_mark.line + 1}")
            seen.add(key)
        return super().construct_mapping(node, deep)


def _measure(node: yaml.Node, depth: int, known: dict[int, int]) -> int:
    """How many values a node says, aliases said in full; each node is looked at once.

    Raises:
        yaml.YAMLError: Too many, too deep, or an alias that says itself.
    """
    if id(node) in known:
        if known[id(node)] == 0:
            raise yaml.YAMLError(f"an alias stands within what it names, line {node.start_mark.line + 1}")
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
        raise yaml.YAMLError(f"it says more than {MOST_NODES} values, line {node.start_mark.line + 1}")
    known[id(node)] = size
    return size
