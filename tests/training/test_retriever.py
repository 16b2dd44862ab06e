"""A retriever as it is judged: the ranking of its own vectors, by a measure worked out by hand."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.errors import ArgumentError, SetupError
from synalign.training import retriever
from synalign.training.corpus import Judged


def test_scores_are_those_of_a_ranking_by_cosine(make_model: Callable[[str], str]) -> None:
    model = retriever.retriever(make_model("static"), 32, "cpu")
    documents = ["sort a list", "read a file", "bake bread", "ride a bike", "写代码"]
    queries = ["list sorting", "file", "bread and butter", "写代码"]
    found = retriever.scores(model, documents, Judged(queries, [{0}, {1}, {2, 3}, {4}]))
    vectors = [model.encode(texts, normalize_embeddings=True) for texts in (queries, documents)]
    for row, relevant in enumerate([{0}, {1}, {2, 3}, {4}]):
        order = np.argsort(-(vectors[1] @ vectors[0][row]), kind="stable").tolist()
        gain = sum(1 / np.log2(2 + order.index(place)) for place in relevant)
        assert found[row] == pytest.approx(gain / sum(1 / np.log2(2 + place) for place in range(len(relevant))))
    assert len(retriever.scores(model, documents, Judged([], []))) == 0


def test_prompts_that_a_model_names_stand_before_what_it_reads(make_model: Callable[[str], str]) -> None:
    model = retriever.retriever(make_model("static"), 32, "cpu")
    judged = Judged(["list"], [{1}])
    documents = ["list", "query list"]
    assert retriever.scores(model, documents, judged)[0] < 1.0
    model.prompts["query"] = "query "
    assert retriever.scores(model, documents, judged)[0] == 1.0


def test_prompts_of_the_settings_hold_for_the_encoder_alone_and_are_saved(
    make_model: Callable[[str], str], tmp_path: Path
) -> None:
    folder = make_model("static")
    settings = Encoder(model=folder, query_prompt="query ", document_prompt="")
    model = retriever.retriever(folder, 32, "cpu", settings)
    assert (model.prompts["query"], model.prompts["document"]) == ("query ", "")
    judged = Judged(["list"], [{1}])
    assert retriever.scores(model, ["list", "query list"], judged)[0] == 1.0
    model.save_pretrained(str(tmp_path / "saved"))
    again = retriever.retriever(str(tmp_path / "saved"), 32, "cpu")
    assert again.prompts["query"] == "query "
    other = retriever.retriever(folder, 32, "cpu", Encoder(model="all-MiniLM-L6-v2", query_prompt="query "))
    assert not other.prompts["query"]


def test_vectors_that_are_no_numbers_are_told(make_model: Callable[[str], str]) -> None:
    model = retriever.retriever(make_model("static"), 32, "cpu")
    next(model.parameters()).data.fill_(float("nan"))
    with pytest.raises(ArgumentError, match="learning_rate"):
        retriever.scores(model, ["a"], Judged(["a"], [{0}]))


def test_a_folder_without_a_model_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="sentence-transformers folder"):
        retriever.retriever(str(tmp_path), 32, "cpu")
