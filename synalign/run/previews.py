"""Where the previews of a retriever (`synalign preview`) leave what they were answered."""

from __future__ import annotations

from pathlib import Path

from synalign import config


def root() -> Path:
    """Return the folder of all retrievers' previews: on this machine, since nobody else has to find it."""
    return config.home() / "previews"


def folder_of(retriever: str) -> Path:
    """Return the folder of a retriever's previews."""
    return root() / retriever


def journal_of(retriever: str) -> Path:
    """Return the journal of a retriever's previews, which is no run's: prompts of a preview are in no table."""
    return folder_of(retriever) / "journal"


def lock_of(retriever: str) -> str:
    """Return the name of the lock that whoever works in that folder holds."""
    return f"preview-{retriever}"
