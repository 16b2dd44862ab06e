"""The encoder as it is, and as it should not be."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Encoder
from synalign.doctor import Case, Finding
from synalign.doctor.encoder import prompt_notes
from synalign.embedding import encoder
from tests.embedding.foreign import made
from tests.embedding.prompted import with_prompts
from tests.encoders.double import embedding, vector

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]


def test_the_encoder_in_the_environment_is_the_published_one(case: Make, check: Look) -> None:
    found = check("encoder", case())
    assert found.state == "pass", found
    assert "384 dimensions" in found.found
    assert f"{encoder.EMBEDDED_WEIGHTS[:12]}..., the published one" in found.found
    assert "; 200 queries (built in, in English): " in found.found
    assert re.search(r"on cpu \(by the lean loop, \d+\.\d times as fast as sentence-transformers' own\)", found.found)
    assert "0.0% of their tokens unknown, 0.0% with the vector of another; no prompts; " in found.found
    assert re.search(r": [\d,]+ a second and process", found.found)


def test_an_encoder_that_was_altered_is_refused(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "EMBEDDED_WEIGHTS", "0" * 64)
    encoder.revision.cache_clear()
    try:
        found = check("encoder", case())
    finally:
        encoder.revision.cache_clear()
    assert found.state == "fail"
    assert "must be 0000" in found.found
    assert "force-reinstall" in found.remedy


def test_an_encoder_that_is_not_there_is_named(case: Make, check: Look, tmp_path: Path) -> None:
    found = check("encoder", case(encoder={"model": str(tmp_path / "model")}))
    assert found.state == "fail"
    assert "encoder.model" in found.found
    assert "save_pretrained" in found.remedy


def test_texts_of_the_data_are_embedded_where_they_were_read(case: Make, check: Look) -> None:
    examined = case()
    examined.texts = {"queries": made("English"), "documents": ["The kettle descales itself. " * 80, "A lamp."]}
    found = check("encoder", examined)
    assert found.state == "pass", found
    assert "80 queries (yours): " in found.found
    assert "2 documents (yours): " in found.found
    # Their words are nobody's but the user's.
    assert "kettle" not in found.found


def test_a_text_that_is_there_once_is_enough(case: Make, check: Look) -> None:
    examined = case()
    examined.texts = {"queries": [], "documents": ["A lamp."]}
    assert "; 1 documents (yours)" in check("encoder", examined).found


@pytest.mark.parametrize("language", ["Thai", "Chinese"])
def test_texts_in_another_language_than_the_encoders_fail_with_the_share_and_what_to_do(
    case: Make, check: Look, language: str
) -> None:
    examined = case()
    examined.texts = {"queries": made(language), "documents": []}
    found = check("encoder", examined)
    assert found.state == "fail"
    assert re.search(r"cannot read the queries: \d+% of their tokens are unknown", found.found)
    assert "language of your texts" in found.remedy


def test_a_few_of_another_language_are_told(case: Make, check: Look) -> None:
    examined = case()
    examined.texts = {"queries": [*made("English"), *made("Thai")[:4]], "documents": []}
    found = check("encoder", examined)
    assert found.state == "pass"
    assert "the encoder cannot read 4 of 84 queries" in found.found
    examined.texts = {"queries": made("Russian")}
    assert "letter by letter" in check("encoder", examined).found


def test_vectors_that_are_all_equal_fail(
    case: Make, check: Look, make_model: Callable[[str], str], tmp_path: Path
) -> None:
    import numpy as np
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(make_model("static"), broken)
    file = next(broken.rglob("*.safetensors"))
    save_file({name: np.ones_like(weights) for name, weights in load_file(file).items()}, file)
    found = check("encoder", case(encoder={"model": str(broken)}))
    assert found.state == "fail"
    assert "gives 200 of 200 distinct queries the vector of another" in found.found


def test_a_gpu_that_is_not_there_fails(case: Make, check: Look) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    found = check("encoder", case(encoder={"device": "cuda"}))
    assert found.state == "fail"
    assert "sees no GPU" in found.found


def test_prompts_in_use_are_shown_and_those_that_may_be_missing_named(
    case: Make, check: Look, make_model: Callable[[str], str], tmp_path: Path
) -> None:
    model = with_prompts(make_model("mean"), tmp_path / "model", {"query": "q: ", "document": "d: "})
    found = check("encoder", case(encoder={"model": model}))
    assert found.state == "pass", found
    assert "before queries 'q: ', before documents 'd: '" in found.found
    other = with_prompts(make_model("mean"), tmp_path / "stella", {"s2p_query": "Instruct"})
    assert "prompts named s2p_query" in check("encoder", case(encoder={"model": other})).found
    slower = with_prompts(make_model("max"), tmp_path / "multilingual-e5-small", {})
    found = check("encoder", case(encoder={"model": slower}))
    assert "not by the lean loop: its pooling is 'max'" in found.found
    assert "e5 models are trained with 'query: ' and 'passage: '" in found.found
    instructed = with_prompts(make_model("mean"), tmp_path / "e5-large-instruct", {})
    assert "models with `instruct`" in prompt_notes(Encoder(model=instructed))[0]
    # Who says that there are none is not asked again.
    assert prompt_notes(Encoder(model=slower, query_prompt="", document_prompt="")) == []
    assert prompt_notes(Encoder(model=with_prompts(make_model("mean"), tmp_path / "base5-e5x", {}))) == []


def served(**more: object) -> dict[str, object]:
    return {"model": "team/e5-base", "texts_per_request": 50, **more}


def test_an_endpoint_is_asked_for_the_texts_and_its_speed_and_tokens_are_told(case: Make, check: Look) -> None:
    with embedding() as double:
        priced = served(endpoint=f"{double.url}/v1", budget={"input_price": 0.5})
        examined = case(encoder=priced)
        examined.texts = {"queries": made("English"), "documents": ["The kettle descales itself", "A lamp"]}
        found = check("encoder", examined)
        assert found.state == "pass", found
        assert "gives 8 dimensions; 80 queries (yours): " in found.found
        assert re.search(r"[\d,]+ a second, 0\.0% with the vector of another, [\d.]+ tokens a text", found.found)
        # 6 tokens in 2 documents, 0.5 for a million tokens.
        assert "3.0 tokens a text, 1.5 USD a million texts" in found.found
        assert "the settings name no prompts, and e5 models are trained with 'query: '" in found.found
        assert "kettle" not in found.found
        assert set(double.texts) == set(examined.texts["queries"]) | set(examined.texts["documents"])


def test_an_endpoint_that_mixes_texts_or_is_not_there_fails(case: Make, check: Look, closed_url: str) -> None:
    with embedding() as double:
        # As llama.cpp was seen to do with several slots.
        double.instead = lambda number, body: None if len(body["input"]) > 1 else (
            200, {}, {"data": [{"index": 0, "embedding": vector("another").tolist()}]}
        )  # fmt: skip
        found = check("encoder", case(encoder=served(endpoint=f"{double.url}/v1")))
    assert (found.state, "in company than alone" in found.found, "--parallel 1" in found.remedy) == ("fail", True, True)
    found = check("encoder", case(encoder=served(endpoint=closed_url), runtime={"attempts": 1}))
    assert found.state == "fail"
    assert "encoder.endpoint" in found.remedy
