"""Retrievers' YAML files: finding, reading and checking them.

This module is imported by DAG files, so it imports nothing heavier than pydantic and PyYAML.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from synalign.config import Configuration, mistakes, settings_file
from synalign.config.overrides import apply
from synalign.errors import ConfigurationError
from synalign.prompts import templates


def retriever_files(default: Path) -> list[Path]:
    """Every retriever's YAML file: in the folders of `$SYNALIGN_RETRIEVERS` (separated as in PATH), or in `default`."""
    folders = [
        Path(folder) for folder in os.environ.get("SYNALIGN_RETRIEVERS", str(default)).split(os.pathsep) if folder
    ]
    return [path.resolve() for folder in folders for path in sorted(folder.glob("*.yaml"))]


def valid(files: list[Path]) -> list[tuple[Path, Configuration]]:
    """Return the valid files with their configurations; of two files for one retriever, neither."""
    loaded = []
    for path in files:
        try:
            loaded.append((path, load(path)))
        except ConfigurationError:
            continue
    names = [configuration.retriever for _, configuration in loaded]
    return [(path, configuration) for path, configuration in loaded if names.count(configuration.retriever) == 1]


def check_all(files: list[Path], also: Callable[[Path, Configuration], None] | None = None) -> None:
    """Load every file.

    Args:
        files: The files.
        also: Checks what only Airflow's Python can.

    Raises:
        ConfigurationError: Some are wrong, or two name the same retriever; the message has every mistake.
    """
    told, names = [], dict[str, Path]()
    for path in files:
        try:
            configuration = load(path)
            name = configuration.retriever
            if also is not None:
                also(path, configuration)
        except ConfigurationError as error:
            told.append(error.message)
            continue
        if name in names:
            told.append(f"{path}: retriever == {name!r}, {names[name]} has the same name.")
        names[name] = path
    if told:
        raise ConfigurationError(
            "\n".join(told), remedy="change the files named above; `synalign check FILE` tries one"
        )


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Configuration:
    """Read and check one retriever's YAML file.

    Args:
        path: The file.
        overrides: Settings of one run by dotted key, which take the place of the file's; see
            `synalign.config.overrides`.

    Returns:
        The checked configuration, frozen.

    Raises:
        ConfigurationError: The file cannot be read, or a key is unknown, missing, of the wrong type or out of range,
            or must not be changed for one run; the message names file, key, value and rule.
    """
    path = Path(path)
    written = settings_file.read(path)
    content = apply(written, overrides or {})
    where = f"{path} with this run's {', '.join(overrides)}" if overrides else str(path)
    # What stands on a line is not what this run takes.
    lines = {} if overrides else written.lines
    try:
        configuration = Configuration.model_validate(content)
        return configuration.with_templates(templates.read_all(configuration, path.parent))
    except ConfigurationError as error:
        told = "\n".join(_at(f"{where}: {line}", line, lines) for line in error.message.splitlines())
        raise ConfigurationError(told, remedy=error.remedy) from error
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(mistakes.explain(error, Configuration, where, lines)),
            remedy="change the keys named above; docs/configuration.md says what each may be",
        ) from error


def _at(told: str, message: str, lines: Mapping[tuple[str, ...], int]) -> str:
    """Return a mistake with the line of the key that its message begins with."""
    return mistakes.at(told.removesuffix("."), lines.get(tuple(message.split(" ", 1)[0].split(".")), 0))
