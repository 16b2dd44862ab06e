"""What is judged: all documents of the run, and the real queries of the splits that no training sees."""

from collections.abc import Callable

import pytest

from synalign.config import Configuration
from synalign.evaluation import material
from synalign.training import corpus
from tests.training.world import WORDS, page, world

Make = Callable[..., Configuration]


def test_every_document_of_the_run_is_ranked_and_every_judged_query_asks_for_its_own(configuration: Make) -> None:
    found = corpus.read(world(configuration()))
    assert found.documents == [page(word) for word in WORDS]
    assert sorted(found.judged) == ["test", "validation"]
    for split, forms in {"validation": ["{} please"], "test": ["{} cheap", "my {}"]}.items():
        asked = {form.format(word): {place} for place, word in enumerate(WORDS) for form in forms}
        assert dict(zip(found.judged[split].queries, found.judged[split].relevant, strict=True)) == asked


def test_a_bound_keeps_what_judged_queries_ask_for(configuration: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(material, "DOCUMENTS", 3)
    monkeypatch.setattr(corpus, "JUDGED", {"validation": 1, "test": 1})
    found = corpus.read(world(configuration()))
    assert len(found.documents) == 3
    for judged in found.judged.values():
        ((asked,), (place,)) = judged
        (word,) = (word for word in WORDS if word in asked.split())
        assert found.documents[next(iter(place))] == page(word)


def test_a_run_without_judged_queries_has_none(configuration: Make) -> None:
    found = corpus.read(world(configuration(), splits={"train": ("find {}",)}))
    assert found.judged == {"validation": ([], []), "test": ([], [])}
