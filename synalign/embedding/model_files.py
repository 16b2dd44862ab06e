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
        SetupError: A folder in it has pickled weights alone, or an adapter; or `modules.json` is malformed or names
            another class.
    """
    no_pickles(folder)
    no_adapters(folder)
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


def no_adapters(folder: Path) -> None:
    """Refuse a folder with an adapter: `transformers` would load the model that it belongs to from somewhere else.

    Neither that model's weights nor whether they are pickles would be known to whoever trusts the folder.

    Raises:
        SetupError: It has one.
    """
    for adapter in sorted(folder.rglob("adapter_config.json")):
        raise SetupError(
            f"{adapter.parent} holds an adapter, whose model is elsewhere.",
            cause="a model that was trained with peft, and saved before its adapter was merged",
            remedy="merge it into the weights (peft's `merge_and_unload`), and save the model again",
        )
