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


ENDPOINT = {"model": "m", "endpoint": "http://127.0.0.1:8080/v1"}
HUB = {"model": "team/model", "download": True, "revision": "0" * 40}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"endpoint": "http://x/v1"}, "model must be given with endpoint"),
        ({**ENDPOINT, "endpoint": "ftp://x"}, "pattern"),
        ({**ENDPOINT, "endpoint": "http://user:word@x/v1"}, "must hold no login"),
        ({**ENDPOINT, "endpoint": "http://x/v1?api-key=1"}, "must hold no key"),
        ({**ENDPOINT, "download": True}, "download must be false with endpoint"),
        ({**ENDPOINT, "texts_per_request": 0}, "greater than or equal to 1"),
        ({**ENDPOINT, "budget": {"max_money": 1.0}}, "max_money needs input_price"),
        ({**HUB, "revision": "main"}, "40 hexadecimal digits"),
        ({**HUB, "revision": None}, "40 hexadecimal digits"),
        ({**HUB, "model": "/models/mine"}, "name of the hub"),
        ({**HUB, "model": "team/../model"}, "name of the hub"),
        ({"revision": "0" * 40}, "null unless download or endpoint"),
        ({"precision": "float8"}, "float16"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Encoder(**given)


def test_of_an_endpoint_the_fingerprint_keeps_that_there_is_one_not_where_or_what_it_costs() -> None:
    def kept(**settings: object) -> dict[str, object]:
        return as_fingerprinted({"encoder": Encoder(**settings).model_dump(mode="json")})["encoder"]

    expected = {"model": "m", "max_tokens": 256, "precision": "auto", "served": True}
    other = {"api": "tei", "api_key_variable": "KEY", "texts_per_request": 8, "budget": {"max_tokens": 9}}
    assert kept(**ENDPOINT) == kept(**{**ENDPOINT, "endpoint": "https://b.example"}, **other) == expected
    assert kept(**ENDPOINT, revision="2") == {**expected, "revision": "2"}
    assert kept(**HUB)["revision"] == "0" * 40


def test_blanks_are_kept_on_the_way_through_yaml() -> None:
    import yaml

    text = yaml.safe_load("query_prompt: 'query: '\ndocument_prompt: \"passage: \"\n")
    assert Encoder(**text).query_prompt == "query: "
    assert Encoder(**text).document_prompt == "passage: "
