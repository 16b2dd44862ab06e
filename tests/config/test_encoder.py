"""Settings of the encoder."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from synalign.config import Encoder
from synalign.config.encoder import as_fingerprinted


@pytest.mark.parametrize("prompt", ["query: ", "  ", "Instruct: find\nQuery: ", "", None])
def test_blanks_of_a_prompt_are_kept(prompt: str | None) -> None:
    assert Encoder(query_prompt=prompt, document_prompt=prompt).query_prompt == prompt
    assert Encoder(query_prompt=prompt, document_prompt=prompt).document_prompt == prompt
    assert Encoder(model=" folder ").model == "folder"


def test_a_document_is_no_prompt() -> None:
    with pytest.raises(ValidationError, match="at most 2000"):
        Encoder(query_prompt="x" * 2001)


def test_runs_without_prompts_have_the_fingerprint_they_always_had() -> None:
    before = {"model": "all-MiniLM-L6-v2", "max_tokens": 256, "precision": "auto"}
    assert as_fingerprinted({"encoder": Encoder().model_dump(mode="json"), "seed": 1}) == {"encoder": before, "seed": 1}
    found = as_fingerprinted({"encoder": Encoder(query_prompt="", document_prompt="d ").model_dump(mode="json")})
    assert found == {"encoder": {**before, "query_prompt": "", "document_prompt": "d "}}
    assert as_fingerprinted({"seed": 1}) == {"seed": 1}
    # Where vectors are computed does not say what they are.
    assert as_fingerprinted({"encoder": Encoder(device="cpu").model_dump(mode="json")}) == {"encoder": before}


def test_blanks_are_kept_on_the_way_through_yaml() -> None:
    import yaml

    text = yaml.safe_load("query_prompt: 'query: '\ndocument_prompt: \"passage: \"\n")
    assert Encoder(**text).query_prompt == "query: "
    assert Encoder(**text).document_prompt == "passage: "
