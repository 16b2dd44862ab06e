"""Answers of previews go whole when a query is forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from synalign.run.previews import folder_of, journal_of
from synalign.upkeep import previews


def left(retriever: str, answers: int) -> Path:
    """A folder of previews with so many answers."""
    part = journal_of(retriever) / "responses-1.jsonl"
    part.parent.mkdir(parents=True)
    part.write_text('{"answer": "kept"}\n' * answers)
    return folder_of(retriever)


def test_a_retrievers_answers_go_and_others_stay() -> None:
    mine, other = left("shop", 3), left("code", 2)
    assert previews.forget("shop", dry=True) == 3 and mine.is_dir()
    assert previews.forget("shop", dry=False) == 3
    assert not mine.exists() and other.is_dir()
    assert previews.forget("shop", dry=False) == 0


@pytest.mark.parametrize("dry", [True, False])
def test_for_all_the_answers_of_all_go(dry: bool) -> None:
    assert previews.forget("all", dry=dry) == 0
    folders = left("shop", 3), left("code", 2)
    assert previews.forget("all", dry=dry) == 5
    assert all(folder.exists() is dry for folder in folders)
