"""Reading a file of settings that a person wrote, and telling its mistakes as `file: key == value, rule`.

This module is imported by DAG files, so it imports nothing heavier than pydantic and PyYAML.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from synalign.config import SECRET
from synalign.errors import ConfigurationError

LONGEST_VALUE = 200
"""Characters of a wrong value that a message shows."""


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML (or JSON, which is YAML too) file.

    Raises:
        ConfigurationError: The file cannot be read, is not valid, gives a key twice, or is no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
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
        return f"{path}: {key} == {item['input']!r}, is not a known setting."
    if item["type"] == SECRET:
        return f"{path}: {key} {item['msg']}."
    rule = item["msg"].removeprefix("Value error, ")
    if item["input"] is None:
        return f"{path}: {key} is empty, {rule}."
    value = repr(item["input"])
    return f"{path}: {key} == {value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + '...'}, {rule}."


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key given twice (PyYAML keeps the last in silence)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.YAMLError(f"key {key!r} is given twice, line {key_node.start_mark.line + 1}")
            seen.add(key)
        return super().construct_mapping(node, deep)
