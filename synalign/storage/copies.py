"""Copies of places, for what takes only files of this machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synalign.storage.place import Place
from synalign.storage.secrets import without_secrets


@contextmanager
def fetched(folder: Place) -> Iterator[Path]:
    """Yield a folder of this machine with a place's own files: itself, or a copy that is deleted at the end.

    Hidden files, and folders in it, are not copied.

    Raises:
        OSError: Storage refuses, or the disk does not hold a copy.
    """
    if folder.local is not None:
        yield folder.local
        return
    with tempfile.TemporaryDirectory() as made:
        for place in folder.files():
            with place.open_input() as source, open(Path(made) / place.name, "wb") as copy, without_secrets():
                shutil.copyfileobj(source, copy, 2**20)
        yield Path(made)
