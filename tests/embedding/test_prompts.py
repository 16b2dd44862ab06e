"""Prompts of encoders, against sentence-transformers' own `encode_query` and `encode_document`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.embedding.prompts import Prompts, check_room, own
from synalign.errors import SetupError
from tests.embedding.prompted import FILE, PROMPTS, with_prompts

TEXTS = ["how to sort a list", "", "日本語 の 検索", "how to sort a list", "word " * 50, "Straße café\n"]
Make = Callable[[str], str]


def library(model: str, side: str, texts: list[str], **options: Any) -> np.ndarray:
    """Embed as people do who use the library by itself."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model, device="cpu")
    loaded.max_seq_length = 30
    embed = loaded.encode_query if side == "query" else loaded.encode_document
    return np.asarray(embed(texts, normalize_embeddings=True, **options))


@pytest.mark.parametrize(("kind", "pooled", "loop"), [
    ("mean", True, "lean"), ("cls", True, "lean"), ("max", True, "encode"), ("mean", False, "encode"),
    ("static", True, "encode"),
])  # fmt: skip
def test_queries_and_documents_get_the_models_own_prompts_as_the_library_gives_them(
    make_model: Make, tmp_path: Path, kind: str, pooled: bool, loop: str
) -> None:
    model = with_prompts(make_model(kind), tmp_path / "model", pooled=pooled)
    settings = Encoder(model=model, max_tokens=30, precision="float32")
    assert encoder.plan(settings).loop == loop
    for side in ("query", "document"):
        found = encoder.encode(TEXTS, settings, side=side)
        if kind == "static":
            from sentence_transformers import SentenceTransformer

            loaded = SentenceTransformer(model, device="cpu")
            embed = loaded.encode_query if side == "query" else loaded.encode_document
            expected = np.asarray(embed(TEXTS, normalize_embeddings=True))
        else:
            expected = library(model, side, TEXTS)
        np.testing.assert_allclose(found, expected, atol=1e-5)
        # Nor does a prompt make a vector depend on its company.
        np.testing.assert_array_equal(found[[4, 0]], encoder.encode([TEXTS[4], TEXTS[0]], settings, side=side))
    bare = encoder.encode(TEXTS[:1], settings.model_copy(update={"query_prompt": ""}))
    assert np.abs(bare - encoder.encode(TEXTS[:1], settings)).max() > 1e-2


def test_a_prompt_of_the_settings_wins_and_an_empty_one_is_none(make_model: Make, tmp_path: Path) -> None:
    model = with_prompts(make_model("mean"), tmp_path / "model", default="query")
    mine = Encoder(model=model, max_tokens=30, precision="float32", query_prompt="search_query: ", document_prompt="")
    assert encoder.prompts(mine) == ("search_query: ", "")
    for side, prompt in (("query", "search_query: "), ("document", "")):
        expected = library(model, side, TEXTS, prompt=prompt)
        np.testing.assert_allclose(encoder.encode(TEXTS, mine, side=side), expected, atol=1e-5)


def test_a_text_is_cut_with_its_prompt_before_it(make_model: Make) -> None:
    """Of a text of 50 words, 30 tokens hold as many fewer as the prompt has."""
    prompt = Encoder(model=make_model("mean"), max_tokens=30, precision="float32", query_prompt="one two three ")
    # Without the prompt, as one text: 30 tokens are the two markers, the prompt's three words and 25 of the text's.
    alone = Encoder(model=make_model("mean"), max_tokens=30, precision="float32")
    found = encoder.encode(["word " * 50], prompt)
    np.testing.assert_array_equal(found, encoder.encode(["one two three " + "word " * 25], alone))


@pytest.mark.parametrize(("prompts", "default", "expected"), [
    ({}, None, ("", "")),
    (None, None, ("", "")),
    ({"query": None, "document": None}, None, ("", "")),
    ({"query": "q: ", "passage": "p: "}, None, ("q: ", "p: ")),
    # What the library writes for a model whose `passage` it was given.
    ({"query": "q: ", "document": "", "passage": "p: "}, None, ("q: ", "p: ")),
    ({"query": "q: ", "document": "d: ", "passage": "p: "}, None, ("q: ", "d: ")),
    ({"query": "q: ", "corpus": "c: "}, None, ("q: ", "c: ")),
    ({"retrieval": "r: "}, "retrieval", ("r: ", "r: ")),
    # A query's prompt is no document's, and the other way round.
    ({"query": "q: "}, "query", ("q: ", "")),
    ({"document": "d: "}, "document", ("", "d: ")),
    ({"s2p_query": "s: "}, None, ("", "")),
])  # fmt: skip
def test_which_of_a_models_prompts_are_used(
    make_model: Make, tmp_path: Path, prompts: Any, default: str | None, expected: tuple[str, str]
) -> None:
    model = with_prompts(make_model("mean"), tmp_path / "model", prompts, default)
    assert encoder.prompts(Encoder(model=model)) == expected
    assert own(Path(model)).names == tuple(name for name, text in (prompts or {}).items() if text)


@pytest.mark.parametrize("content", [
    "{", "[]", '{"prompts": []}', '{"prompts": {"query": 3}}', '{"prompts": {}, "default_prompt_name": 7}',
    '{"prompts": {"query": "q"}, "default_prompt_name": "x"}',
])  # fmt: skip
def test_a_malformed_file_of_prompts_is_refused(make_model: Make, tmp_path: Path, content: str) -> None:
    model = with_prompts(make_model("mean"), tmp_path / "model")
    (Path(model) / FILE).write_text(content)
    with pytest.raises(SetupError, match=r"(?s)config_sentence_transformers.json.*save the model again"):
        encoder.prompts(Encoder(model=model))


def test_caches_tell_prompts_apart_and_those_of_models_without_are_still_used(make_model: Make, tmp_path: Path) -> None:
    plain, prompted = make_model("mean"), with_prompts(make_model("mean"), tmp_path / "model")
    # Both sides share what they always shared; an empty prompt is the same as none.
    plain_names = {encoder.identity(Encoder(model=plain, query_prompt=prompt), side)
                   for prompt in (None, "") for side in ("query", "document")}  # fmt: skip
    assert len(plain_names) == 1
    settings = [
        (Encoder(model=prompted), "query"), (Encoder(model=prompted), "document"),
        (Encoder(model=prompted, query_prompt=""), "query"), (Encoder(model=prompted, query_prompt="q"), "query"),
        (Encoder(model=prompted, query_prompt="q "), "query"), (Encoder(model=plain, query_prompt="q"), "query"),
    ]  # fmt: skip
    names = [encoder.identity(*pair) for pair in settings]
    assert len({*names, *plain_names}) == 7
    said = Encoder(model=prompted, query_prompt=PROMPTS["query"])
    assert encoder.identity(said) == names[0]


def test_a_model_that_treats_sides_differently_keeps_them_apart_without_prompts(
    make_model: Make, tmp_path: Path
) -> None:
    model = with_prompts(make_model("max"), tmp_path / "model", {})
    file = Path(model) / "sentence_bert_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "query_length": 4}))
    settings = Encoder(model=model, max_tokens=30)
    assert encoder.identity(settings, "query") != encoder.identity(settings, "document")
    for side in ("query", "document"):
        np.testing.assert_allclose(
            encoder.encode(TEXTS, settings, side=side), library(model, side, TEXTS), atol=1e-5
        )  # fmt: skip


def test_a_prompt_that_leaves_no_room_for_a_text_is_refused(make_model: Make, tmp_path: Path) -> None:
    model = with_prompts(make_model("mean"), tmp_path / "model")
    encoder.check_room(Encoder(model=model, max_tokens=30))
    with pytest.raises(SetupError, match=r"(?s)max_tokens == 12.*prompt of a query has.*encoder.query_prompt"):
        encoder.check_room(Encoder(model=model, max_tokens=12))
    with pytest.raises(SetupError, match=r"(?s)prompt of a document has.*encoder.document_prompt"):
        encoder.check_room(Encoder(model=model, query_prompt="", document_prompt="w " * 900))
    (Path(model) / "tokenizer.json").unlink()
    check_room(Path(model), Encoder(model=model, max_tokens=12))


def test_sides() -> None:
    assert (Prompts("q", "d").of("query"), Prompts("q", "d").of("document")) == ("q", "d")
