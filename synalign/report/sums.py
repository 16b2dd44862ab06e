"""Counts that add up: of how many, where each ended, and a few that ended there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple


class Example(NamedTuple):
    """One of those that a part counts.

    Attributes:
        text: Its text, a stranger's.
        note: What decided it; empty where there is nothing to say.
    """

    text: str
    note: str = ""


class Part(NamedTuple):
    """Where some of them ended.

    Attributes:
        name: In words.
        number: How many.
        fate: Whether they go on.
        why: What put them there, in a sentence; empty where the name says it.
        examples: A few.
    """

    name: str
    number: int
    fate: Literal["kept", "lost"]
    why: str = ""
    examples: Sequence[Example] = ()


class Sum(NamedTuple):
    """Parts and their total, which was counted on its own.

    Attributes:
        title: What is counted.
        parts: Where they ended.
        total: How many there are.
        total_name: What the total is called.
        beside: Parts that are counted apart.
    """

    title: str
    parts: Sequence[Part]
    total: int
    total_name: str
    beside: Sequence[Part] = ()

    @property
    def found(self) -> int:
        """The sum of the parts."""
        return sum(part.number for part in self.parts)

    @property
    def balanced(self) -> bool:
        """Whether the parts sum to the total."""
        return self.found == self.total

    @property
    def places(self) -> list[tuple[Part, float, float]]:
        """Where each part begins and how wide it is when all stand in one row that is 100 wide."""
        found, start = [], 0.0
        for part in self.parts:
            width = 100.0 * part.number / max(self.found, 1)
            found.append((part, start, width))
            start += width
        return found
