"""A batch that is too long is made shorter, and its parts ask for the same queries. Reading batches: `test_labels`."""

from __future__ import annotations

from synalign.config import Configuration
from synalign.generation.demonstration_batches import LEAST_CHARACTERS, Batch, Document, fewer_demonstrations, smaller

CONFIGURATION = Configuration.model_validate(
    {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
)


def batch(documents: int, characters: int = 1000, demonstrations: int = 3) -> Batch:
    shown = tuple(Document(str(number), "", "x" * characters) for number in range(documents))
    return Batch("b", tuple(f"q{number}" for number in range(demonstrations)), shown)


def test_halves_hold_every_document_once_and_in_order() -> None:
    for count in range(2, 9):
        first, second = smaller(batch(count), CONFIGURATION)
        assert [document.document_id for half in (first, second) for document in half.documents] == list(
            map(str, range(count))
        )
        assert 0 <= len(first.documents) - len(second.documents) <= 1
        assert first.part != second.part and first.demonstrations == batch(1).demonstrations


def test_one_document_is_shortened_and_then_its_demonstrations_until_there_is_nothing_left_to_leave_out() -> None:
    steps, now = [], batch(1, characters=500, demonstrations=4)
    while parts := smaller(now, CONFIGURATION):
        (now,) = parts
        steps.append((now.characters, len(now.demonstrations)))
    # 500 / 2 = 250, 250 / 2 = 125, and 62 is too little to write for.
    assert steps == [(250, 4), (125, 4), (125, 2), (125, 1)]
    assert steps[-1][0] >= LEAST_CHARACTERS and now.demonstrations == ("q0",)


def test_the_anchor_stays_among_fewer_demonstrations() -> None:
    fewer = fewer_demonstrations(batch(1, demonstrations=5))
    assert fewer is not None and fewer.demonstrations == ("q0", "q1", "q2")
    assert fewer_demonstrations(batch(1, demonstrations=1)) is None
