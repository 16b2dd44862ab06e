"""Where what machines share is kept: on a file system, or in object storage."""

from __future__ import annotations

import os

from synalign.config import home
from synalign.storage.place import Place
from synalign.storage.store import StaleError

__all__ = ["VARIABLE", "Place", "StaleError", "base"]

VARIABLE = "SYNALIGN_STORE"


def base() -> Place:
    """Return the place of runs and of the embedding cache: `$SYNALIGN_STORE`, or `$SYNALIGN_HOME`.

    Raises:
        ConfigurationError: The address is malformed.
    """
    address = os.environ.get(VARIABLE, "").strip()
    return Place(address) if address else Place(home())
