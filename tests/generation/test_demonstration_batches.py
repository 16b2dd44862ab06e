"""A batch that is too long is made shorter, and its parts ask for the same queries. Reading batches: `test_labels`."""

from __future__ import annotations

from synalign.config import Configuration
from synalign.generation.demonstration_batches import (
    LEAST_CHARACTERS,
    Batch,
    Document,
    Shot,
    characters_of,
    fewer_demonstrations,
    pieces,
    requests_of,
    smaller,
)

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


def of_family(name: str) -> Configuration:
    generation = {"queries_per_document": 3, "prompts": {"family": name}}
    content = {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
    return Configuration.model_validate({**content, "generation": generation})


def test_a_large_model_is_asked_for_a_whole_batch() -> None:
    assert pieces(batch(3), of_family("large")) == ()
    assert requests_of(batch(3), of_family("large")) == 1


def test_a_small_model_is_asked_for_one_query_at_a_time_and_for_every_query_once() -> None:
    found = pieces(batch(4), of_family("small"))
    assert requests_of(batch(4), of_family("small")) == len(found) == 12
    assert {(piece.documents[0].document_id, piece.turn) for piece in found} == {
        (str(document), turn) for document in range(4) for turn in range(3)
    }
    assert all(len(piece.documents) == piece.wanted == 1 for piece in found)
    # Turn after turn, so that prompts that begin alike follow each other.
    assert [piece.turn for piece in found] == sorted(piece.turn for piece in found)


def test_a_small_model_is_shown_less_of_a_document() -> None:
    assert characters_of(batch(1), of_family("small")) < characters_of(batch(1), of_family("large"))
    (shorter,) = smaller(batch(1)._replace(documents=(Document("d", "", "x" * 5000),)), of_family("small"))
    assert shorter.characters == characters_of(batch(1), of_family("small")) // 2


def test_shots_are_cut_with_the_documents_and_leave_with_their_demonstration() -> None:
    whole = batch(1, characters=10, demonstrations=4)
    shots = tuple(Shot(query, Document(query, "", "y" * 3000)) for query in whole.demonstrations)
    now, steps = whole._replace(shots=shots), []
    while parts := smaller(now, of_family("small")):
        (now,) = parts
        steps.append((now.characters, len(now.shots)))
    assert steps == [(200, 4), (100, 4), (100, 2), (100, 1)]
    assert [shot.query for shot in now.shots] == list(now.demonstrations)
