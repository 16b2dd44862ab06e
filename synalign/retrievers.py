"""Retrievers' YAML files: finding, reading and checking them.

This module is imported by DAG files, so it imports nothing heavier than pydantic and PyYAML.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from synalign.config import Configuration
from synalign.errors import ConfigurationError
from synalign.generation import templates


def retriever_files(default: Path) -> list[Path]:
    """Every retriever's YAML file: in the folders of `$SYNALIGN_RETRIEVERS` (separated as in PATH), or in `default`."""
    folders = [
        Path(folder) for folder in os.environ.get("SYNALIGN_RETRIEVERS", str(default)).split(os.pathsep) if folder
    ]
    return [path.resolve() for folder in folders for path in sorted(folder.glob("*.yaml"))]


def valid(files: list[Path]) -> list[tuple[Path, Configuration]]:
    """The files that can be loaded, with what is in them; of two with the same retriever, neither."""
    loaded = []
    for path in files:
        try:
            loaded.append((path, load(path)))
        except ConfigurationError:
            continue
    names = [configuration.retriever for _, configuration in loaded]
    return [(path, configuration) for path, configuration in loaded if names.count(configuration.retriever) == 1]


def check_all(files: list[Path]) -> None:
    """Load every file.

    Raises:
        ConfigurationError: Some are wrong, or two name the same retriever; the message has every mistake.
    """
    mistakes, names = [], dict[str, Path]()
    for path in files:
        try:
            name = load(path).retriever
        except ConfigurationError as error:
            mistakes.append(error.message)
            continue
        if name in names:
            mistakes.append(f"{path}: retriever == {name!r}, {names[name]} has the same name.")
        names[name] = path
    if mistakes:
        raise ConfigurationError(
            "\n".join(mistakes), remedy="mend the files named above; `synalign check FILE` tries one"
        )


def load(path: str | Path) -> Configuration:
    """Read and check one retriever's YAML file.

    Args:
        path: The file.

    Returns:
        The checked configuration, frozen.

    Raises:
        ConfigurationError: The file cannot be read, or a key is unknown, missing, of the wrong type or out of range;
            the message names file, key, value and rule.
    """
    path = Path(path)
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path}: cannot be read: {error}.", remedy="check the path and its encoding"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: is not valid YAML: {error}.", remedy="mend the line named above") from error
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path}: must be a mapping of settings, is {type(content).__name__}.")
    try:
        configuration = Configuration.model_validate(content)
        return configuration.with_templates(templates.read_all(configuration, path.parent))
    except ConfigurationError as error:
        mistakes = "\n".join(f"{path}: {line}" for line in error.message.splitlines())
        raise ConfigurationError(mistakes, remedy=error.remedy) from error
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(_explain(path, item) for item in error.errors()),
            remedy="mend the keys named above; README.md shows a whole file",
        ) from error


def _explain(path: Path, item: Any) -> str:
    """One pydantic error as `file: key == value, rule`."""
    # A tagged union puts its tag ("log", ...) into the location; the user never wrote that.
    key = ".".join(str(part) for part in item["loc"] if part not in ("log", "beir", "labelled")) or "(whole file)"
    if item["type"] == "missing":
        return f"{path}: {key} is missing, it is required."
    if item["type"] == "extra_forbidden":
        return f"{path}: {key} == {item['input']!r}, is not a known setting."
    rule = item["msg"].removeprefix("Value error, ")
    value = repr(item["input"])
    return f"{path}: {key} == {value if len(value) <= 200 else value[:200] + '...'}, {rule}."


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
