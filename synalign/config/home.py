"""Where a machine keeps its own things, and where relative paths of a configuration start."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder that holds runs, demo data and the embedded servers' state: `$SYNALIGN_HOME`, or `.synalign`."""
    return Path(os.environ.get("SYNALIGN_HOME", ".synalign")).expanduser().resolve()


def resolve(path: str) -> Path:
    """A path from a configuration: absolute as it is, relative from `home()`."""
    return home() / Path(path).expanduser()
