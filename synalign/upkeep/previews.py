"""Forgetting in previews: their answers go as a whole, since no table says which of their prompts showed a query."""

from __future__ import annotations

import shutil
from pathlib import Path

from synalign.generation.journal import PARTS
from synalign.querylog import tombstones
from synalign.run import previews
from synalign.storage.home_lock import one_at_a_time


def forget(retriever: str, *, dry: bool) -> int:
    """Remove the answers of a retriever's previews; asking again costs a few requests.

    Args:
        retriever: Its name, or `all`.
        dry: Only count.

    Returns:
        How many answers went, or would.
    """
    root = previews.root()
    if retriever != tombstones.ALL:
        names = [retriever] if previews.folder_of(retriever).is_dir() else []
    else:
        names = sorted(folder.name for folder in root.iterdir() if folder.is_dir()) if root.is_dir() else []
    count = 0
    for name in names:
        # A preview that is at work is waited for.
        with one_at_a_time(previews.lock_of(name)):
            count += sum(map(_answers, previews.journal_of(name).glob(f"{PARTS}*.jsonl")))
            if not dry:
                shutil.rmtree(previews.folder_of(name), ignore_errors=True)
    return count


def _answers(part: Path) -> int:
    return part.read_bytes().count(b"\n")
