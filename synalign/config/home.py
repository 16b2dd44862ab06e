"""The home folder of SynAlign on a machine, from which relative paths of a configuration start."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """Return the folder of runs, demo data and the local servers' state: `$SYNALIGN_HOME`, or `.synalign`."""
    return Path(os.environ.get("SYNALIGN_HOME", ".synalign")).expanduser().resolve()


def resolve(path: str) -> Path:
    """Return a configuration's path: an absolute one as it is, a relative one below `home()`."""
    return home() / Path(path).expanduser()
