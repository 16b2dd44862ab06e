"""The weighting schemes: which weights a training set's synthetic rows can have, and what the schemes are called.

`equal` was called `filtered` once. Settings, manifests and tables of that time are read as if they said `equal`; the
sentences in them are left as they were written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator

Scheme = Literal["equal", "equal_mass", "aligned"]
SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
"""All schemes, the simplest first."""

Chosen = Literal["none", "equal", "equal_mass", "aligned"]
"""What a training set can have: the weights of a scheme, or no written query, so that it is the real pairs alone."""

NONE: Final = "none"
EQUAL: Final = "equal"
EQUAL_MASS: Final = "equal_mass"
ALIGNED: Final = "aligned"

NAMES: dict[str, str] = {
    NONE: "no written queries",
    EQUAL: "equal weights",
    EQUAL_MASS: "equal weight per document",
    ALIGNED: "aligned weights",
}
"""What a training set can have, in words."""

FORMERLY = "filtered"
"""What `equal` was called."""


def current(content: Any) -> Any:
    """Return JSON content with today's names of the schemes, alone or in a key such as `aligned_minus_filtered`.

    Examples:
        >>> current({"scheme": "filtered", "test": {"aligned_minus_filtered": 1.0}, "reason": "filtered 0.3"})
        {'scheme': 'equal', 'test': {'aligned_minus_equal': 1.0}, 'reason': 'filtered 0.3'}
    """
    if isinstance(content, dict):
        return {_key(key): current(value) for key, value in content.items()}
    if isinstance(content, list):
        return [current(value) for value in content]
    return EQUAL if content == FORMERLY else content


def _key(key: str) -> str:
    return "_minus_".join(EQUAL if part == FORMERLY else part for part in key.split("_minus_"))


def written_as(scheme: str) -> tuple[str, ...]:
    """Return the names that a scheme can have in a table."""
    return (EQUAL, FORMERLY) if scheme == EQUAL else (scheme,)


def of_manifest(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return a step's manifest with today's names of the schemes."""
    manifest = dict(manifest)
    if manifest.get("step") in ("evaluate", "assemble"):
        manifest["metrics"] = current(manifest.get("metrics", {}))
    settings = manifest.get("settings", {})
    if "alignment" in settings:
        manifest["settings"] = {**settings, "alignment": current(settings["alignment"])}
    return manifest


def as_fingerprinted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step's settings as fingerprints have always had them, so that finished steps are still reused."""
    alignment = settings.get("alignment")
    if alignment is None or alignment["scheme"] != EQUAL:
        return dict(settings)
    return {**settings, "alignment": {**alignment, "scheme": FORMERLY}}


SchemeSetting = Annotated[Scheme, BeforeValidator(current)]
"""A scheme as a configuration names it."""
