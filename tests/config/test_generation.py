"""Settings of generation: no secret in the file, nothing said twice, prices before a ceiling in money."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from synalign import config


def test_no_section_takes_a_secret() -> None:
    names = set(config.Generation.model_fields) | set(config.Configuration.model_fields)
    assert not {name for name in names if name in ("api_key", "password", "token", "secret")}


def _generation(configuration: Callable[..., config.Configuration], **generation: object) -> config.Generation:
    return configuration(generation=generation).generation


@pytest.mark.parametrize(
    "name", ["model", "messages", "seed", "temperature", "max_tokens", "response_format", "stream", "n"]
)
def test_a_body_holds_nothing_that_another_setting_says(
    configuration: Callable[..., config.Configuration], name: str
) -> None:
    with pytest.raises(ValidationError, match=f"must not hold '{name}'"):
        _generation(configuration, extra_body={name: 1})


@pytest.mark.parametrize("body", [{"api_key": "x"}, {"metadata": {"Authorization": "x"}}, {"a": [{"password": "x"}]}])
def test_a_body_holds_no_secret(configuration: Callable[..., config.Configuration], body: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="must hold no secret"):
        _generation(configuration, extra_body=body)


def test_what_endpoints_take_beyond_the_protocol_may_be_sent(
    configuration: Callable[..., config.Configuration],
) -> None:
    body = {"reasoning_effort": "low", "chat_template_kwargs": {"enable_thinking": False}, "prompt_cache_key": "x"}
    assert _generation(configuration, extra_body=body).extra_body == body
    with pytest.raises(ValidationError, match="texts, numbers, lists and mappings"):
        _generation(configuration, extra_body={"a": float("nan")})
    with pytest.raises(ValidationError, match="at most"):
        _generation(configuration, extra_body={"a": "x" * 30_000})


@pytest.mark.parametrize("query", ["?api-key=x", "?key=x", "?code=x", "?a=b&token=x", "?subscription-key=x"])
def test_an_address_holds_no_key(configuration: Callable[..., config.Configuration], query: str) -> None:
    with pytest.raises(ValidationError, match="must hold no key"):
        _generation(configuration, endpoint=f"https://llm.example/v1{query}")
    with pytest.raises(ValidationError):
        _generation(configuration, endpoint="https://user:password@llm.example/v1")
    address = "https://llm.example/openai/deployments/d?api-version=2024-10-21"
    assert _generation(configuration, endpoint=address).endpoint == address


@pytest.mark.parametrize("headers", ["not a variable", {"api key": "X"}, {"api-key": "lower"}, {"api-key": ""}])
def test_headers_are_named_by_variables(configuration: Callable[..., config.Configuration], headers: object) -> None:
    with pytest.raises(ValidationError):
        _generation(configuration, headers_variable=headers)
    assert _generation(configuration, headers_variable={"api-key": "AZURE_KEY"}).headers_variable == {
        "api-key": "AZURE_KEY"
    }
    assert _generation(configuration, headers_variable="ALL_HEADERS").headers_variable == "ALL_HEADERS"


def test_a_ceiling_in_money_needs_a_price() -> None:
    with pytest.raises(ValidationError, match="max_money needs input_price or output_price"):
        config.Budget(max_money=5.0)
    assert config.Budget(max_money=5.0, output_price=1.0).max_money == 5.0
    assert config.Budget(max_tokens=5).max_money is None
