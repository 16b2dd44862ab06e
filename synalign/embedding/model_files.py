"""The rules for a model's folder: weights that are numbers, and modules of sentence-transformers itself.

A pickle is a program: whoever can write one into a model's folder could run anything in every Spark worker. The
libraries prefer `.safetensors` where both are there, and would fall back to a pickle where it alone is.
"""

from __future__ import annotations

import json
from pathlib import Path

from synalign.errors import SetupError

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")
"""Endings of files that libraries read as pickles."""

_LIBRARY = "sentence_transformers."


def check(folder: Path) -> None:
    """Refuse a folder from which a pickle, or a class of somebody else's, would be loaded.

    A pickle beside `.safetensors` weights, as many published models have it, is never opened.

    Raises:
        SetupError: A folder in it has pickled weights alone, or `modules.json` is malformed or names another class.
    """
    no_pickles(folder)
    try:
        kinds = [str(module["type"]) for module in json.loads((folder / "modules.json").read_bytes())]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SetupError(
            f"{folder / 'modules.json'} cannot be read: {error}.", remedy="save the model again"
        ) from error
    for kind in kinds:
        if not kind.startswith(_LIBRARY):
            raise SetupError(
                f"{folder / 'modules.json'} names the class {kind!r}, must be one of sentence-transformers.",
                cause="a model that brings code of its own, which is not run",
                remedy="save the model with modules of sentence-transformers alone",
            )


def no_pickles(folder: Path) -> None:
    """Refuse a folder whose weights would be read from a pickle.

    Raises:
        SetupError: It has pickled weights alone.
    """
    for pickle in sorted(path for path in folder.rglob("*") if path.suffix in PICKLES):
        if not any(pickle.parent.glob("*.safetensors")):
            raise SetupError(
                f"{pickle.parent} has no .safetensors weights.", remedy="save the model again; pickles are not loaded"
            )
