"""What was done differently: settings, versions of packages, models, prompts and input files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from synalign.changes.side import Side
from synalign.config import home

# What people call a retriever and when it runs changes no row.
_NOT_THE_SET = ("description", "owner", "schedule.", "experiment", "runtime.")
# Of what the step *embed* found.
_EMBEDDED = ("revision", "precision", "query_prompt", "document_prompt")


class Difference(NamedTuple):
    """Something the two sets were not made with alike.

    Attributes:
        kind: `setting`, `made with` or `input`.
        name: Its dotted key, or what it is.
        before: Of the first set, as people write it; empty: absent.
        after: Of the second.
        matters: Whether it can change a training set.
    """

    kind: str
    name: str
    before: str
    after: str
    matters: bool


def differences(before: Side, after: Side) -> tuple[Difference, ...]:
    """List everything that differs, first what can change a training set."""
    looks = (("setting", _settings), ("made with", _made_with), ("input", _inputs))
    found = [
        Difference(kind, name, first.get(name, ""), second.get(name, ""), not name.startswith(_NOT_THE_SET))
        for kind, look in looks
        for first, second in [(look(before), look(after))]
        for name in sorted(first.keys() | second.keys())
        if first.get(name, "") != second.get(name, "")
    ]
    return tuple(sorted(found, key=lambda difference: not difference.matters))


def _settings(side: Side) -> dict[str, str]:
    return _flat(side.configuration.model_dump(mode="json"))


def _made_with(side: Side) -> dict[str, str]:
    """Versions of packages, and the encoder's weights, as the latest finished step has them."""
    embedded = side.metrics("embed")
    encoder = {f"encoder {name}": str(embedded[name]) for name in _EMBEDDED if name in embedded}
    versions = [manifest.get("versions", {}) for manifest in side.manifests.values()]
    return {**encoder, **(versions[-1] if versions else {})}


def _inputs(side: Side) -> dict[str, str]:
    """Digests of what steps read from outside the run; files in `$SYNALIGN_HOME` by their path from there."""
    here = f"{home()}/"
    return {
        f"{step}: {name.removeprefix(here)}": digest
        for step, manifest in side.manifests.items()
        for name, digest in manifest.get("outside", {}).items()
    }


def _flat(content: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return flat
