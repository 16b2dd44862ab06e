"""When a preview warns, and when it does not."""

from __future__ import annotations

from synalign.generation.demonstration_batches import Batch, Document, Shot
from synalign.preview.findings import Query
from synalign.preview.warnings import warnings_of

DOCUMENT = Document("d1", "Stand mixer", "The bowl is steel. Wash it by hand, never in a machine! It lasts.")
OTHER = Document("d2", "", "A shot's own document. Nobody is asked about it.")
DEMONSTRATIONS = ("how do I wash the bowl?", "mixer bowl", "stand mixer price")
BATCH = Batch("b", DEMONSTRATIONS, (DOCUMENT,), shots=(Shot("bowl of glass", OTHER),))
MIXED = ["is the bowl of steel?", "steel bowl", "hand wash bowl", "bowl lifetime", "does it rust?", "mixer bowls hand"]


def names(*queries: str, lost: int = 0, tried: int = 100) -> list[str]:
    back = [Query(query, "Stand mixer", "accepted", "") for query in queries]
    return [warning.name for warning in warnings_of([BATCH], [back], lost, tried)]


def test_queries_of_several_forms_that_are_nobodys_are_fine() -> None:
    assert names(*MIXED) == []


def test_copies_of_a_demonstration_a_shot_a_sentence_or_a_title_are_told_apart() -> None:
    copies = ["MIXER BOWL", "Bowl of glass?", "wash it by hand, never in a machine", "stand mixer"]
    back = [Query(query, "", "accepted", "") for query in [*MIXED, *copies]]
    (warning,) = warnings_of([BATCH], [back], 0, 10)
    assert warning.name == "copies"
    assert warning.text == (
        "4 of 10 queries repeat the prompt word for word: 2 a demonstration, 2 a sentence or title of a document."
    )
    assert warning.remedy


def test_one_copy_among_many_is_chance_and_words_in_another_order_are_none() -> None:
    assert names(*MIXED, *MIXED, "mixer bowl") == []
    assert names(*MIXED, "bowl mixer") == []


def test_one_form_only_counts_where_real_queries_have_several() -> None:
    keywords = ["steel bowl", "hand wash bowl", "bowl lifetime", "bowls"]
    assert names(*keywords) == ["one_form"]
    # So few may be alike by chance.
    assert names(*keywords[:3]) == []
    alike = BATCH._replace(demonstrations=DEMONSTRATIONS[1:])
    back = [Query(query, "", "accepted", "") for query in keywords]
    assert warnings_of([alike], [back], 0, 4) == ()


def test_half_or_more_that_miss_their_documents_are_told() -> None:
    assert names(*MIXED, lost=3, tried=6) == ["inconsistent"]
    assert names(*MIXED, lost=2, tried=6) == []


def test_of_nothing_nothing_is_said() -> None:
    assert names(tried=0) == []
    assert names("", "...", tried=0) == []
