from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from synalign import config


def test_a_configuration_cannot_be_changed(configuration: Callable[..., config.Configuration]) -> None:
    loaded = configuration()
    with pytest.raises(ValueError, match="frozen"):
        loaded.seed = 3  # type: ignore[misc]


def test_no_section_takes_a_secret() -> None:
    names = set(config.Generation.model_fields) | set(config.Configuration.model_fields)
    assert not {name for name in names if name in ("api_key", "password", "token", "secret")}


def test_every_runtime_setting_says_why_it_changes_no_result() -> None:
    assert set(config.RUNTIME_REASONS) == set(config.Runtime.model_fields)


def test_relative_paths_start_at_home_and_absolute_ones_stay(home: Path) -> None:
    assert config.resolve("data/x") == home / "data" / "x"
    assert config.resolve("/data/x") == Path("/data/x")


LABELLED = {"kind": "labelled", "path": "texts.csv"}


@pytest.mark.parametrize(
    "sections",
    [
        {"task": "classification"},
        {"task": "retrieval", "source": LABELLED},
        {"source": LABELLED},
        {"task": "classification", "source": {"kind": "beir", "path": "x"}},
    ],
)
def test_a_source_must_fit_its_task(
    configuration: Callable[..., config.Configuration], sections: dict[str, object]
) -> None:
    with pytest.raises(ValueError, match="kind must be labelled for task classification, log or beir for task ret"):
        configuration(**sections)


def test_a_balance_of_labels_needs_labels(configuration: Callable[..., config.Configuration]) -> None:
    with pytest.raises(ValueError, match="label_balance equal is for task classification"):
        configuration(sampling={"label_balance": "equal"})
    assert configuration(task="classification", source=LABELLED, sampling={"label_balance": "equal"})


def test_a_label_is_asked_for_as_many_texts_as_a_batch_of_documents_within_bounds(
    configuration: Callable[..., config.Configuration],
) -> None:
    def asked(**generation: int) -> tuple[int, int]:
        return tuple(
            configuration(generation=generation, **task).queries_per_target
            for task in ({}, {"task": "classification", "source": LABELLED})
        )  # type: ignore[return-value]

    assert asked(documents_per_batch=6, queries_per_document=4) == (4, 24)
    assert asked(documents_per_batch=64, queries_per_document=4) == (4, 64)


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
