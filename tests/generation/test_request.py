"""What is sent for a request, its key in the journal, and the headers that go with it."""

from __future__ import annotations

import json

import pytest

from synalign.config import Configuration
from synalign.errors import ConfigurationError
from synalign.generation import endpoint, request
from synalign.generation.dialect import FORMS, Dialect, form_of
from synalign.generation.endpoint import headers
from synalign.generation.refusals import SEED, STRUCTURED, TEMPERATURE, Refusal
from synalign.generation.request import Request
from synalign.generation.schemas import ATTRIBUTES, QUERIES, LatentAttributes, WrittenQueries

MESSAGES = [{"role": "user", "content": "hello"}]
WRITE = Request("write", "b", "v1", MESSAGES, QUERIES, WrittenQueries)
REASON = Request("reason", "b", "v1", MESSAGES, ATTRIBUTES, LatentAttributes)


def configured(**generation):
    section = {"endpoint": "https://llm.example/v1", "model": "m", **generation}
    content = {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
    return Configuration.model_validate({**content, "generation": section})


def test_journals_of_earlier_versions_are_good_still():
    """The keys as the version before these settings made them: answers that were paid then are found."""
    assert request.key(WRITE, configured()) == "c92f3fed540540b0c36fcf9c51e3ebc1065bcb68136eed264ae1596ac4283177"
    assert request.key(REASON, configured()) == "de7564b08f37281d7dd99901f9ffc578276fb76bd72f7b868be46c9c1582f58c"


def test_the_form_changes_no_key_and_what_defines_data_does():
    known = request.key(WRITE, configured())
    forms = [{"structured_output": form} for form in ("json_schema", "json_object", "tool", "prompt")]
    forms += [{"output_limit_name": "max_tokens"}, {"headers_variable": {"x": "Y"}}, {"api_key_variable": None}]
    assert {request.key(WRITE, configured(**change)) for change in forms} == {known}
    changes = [{"temperature": None}, {"temperature": 0.1}, {"seed": None}, {"seed": 7}, {"extra_body": {"top_k": 1}}]
    keys = {request.key(WRITE, configured(**change)) for change in changes}
    assert len(keys) == len(changes) and known not in keys


@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_the_shape_of_the_answer_and_is_bounded(form):
    sent = request.parameters(WRITE, configured(), form=form)
    assert form_of(sent) == form
    assert "written_queries" in json.dumps(sent)
    assert "additionalProperties" in json.dumps(sent)
    assert request.most_tokens(sent) > len(json.dumps(sent["messages"]))
    assert sent["messages"][-1]["role"] == "user" and WRITE.messages == MESSAGES


def test_what_is_set_to_null_is_not_sent():
    sent = request.parameters(WRITE, configured(temperature=None, seed=None, extra_body={"top_k": 3}))
    assert not {"temperature", "seed"} & set(sent) and sent["top_k"] == 3


def test_what_a_user_fixed_is_not_decided_otherwise(tmp_path):
    dialect = Dialect(configured(structured_output="json_object"))
    sent = dialect.parameters(WRITE)
    assert not dialect.learn(Refusal((STRUCTURED,)), sent)
    for _ in range(9):
        dialect.followed(sent, good=False)
    assert dialect.structured_output == "json_object"


def test_what_was_decided_is_kept_and_decided_once(tmp_path, caplog):
    record = tmp_path / "endpoint.jsonl"
    dialect = Dialect(configured(), record)
    sent = dialect.parameters(WRITE)
    # Several requests in flight meet the same refusal.
    for _ in range(3):
        assert dialect.learn(Refusal((SEED, TEMPERATURE)), sent)
        assert dialect.learn(Refusal((STRUCTURED,)), sent)
    assert len(caplog.records) == 3
    assert not dialect.learn(Refusal((SEED,)), dialect.parameters(WRITE))
    dialect.close()
    kept = Dialect(configured(), record)
    assert kept.summary() == dialect.summary() == {
        "structured_output": "json_object", "output_limit_name": "max_completion_tokens",
        "not_sent": "seed, temperature",
    }  # fmt: skip
    kept.close()
    other = Dialect(configured(model="another"), record)
    assert "not_sent" not in other.summary()
    other.close()


def test_a_form_that_worked_once_is_not_given_up():
    dialect = Dialect(configured())
    sent = dialect.parameters(WRITE)
    dialect.followed(sent, good=False)
    dialect.followed(sent, good=True)
    for _ in range(9):
        dialect.followed(sent, good=False)
    assert dialect.structured_output == "json_schema"


@pytest.mark.parametrize(
    ("url", "base", "query"),
    [
        ("https://x.example/v1", "https://x.example/v1", {}),
        ("https://x.example/v1///", "https://x.example/v1", {}),
        ("https://x.example/v1/chat/completions/", "https://x.example/v1", {}),
        ("https://x.example?a=b", "https://x.example", {"a": "b"}),
        ("https://x.example/d/?api-version=1&x=", "https://x.example/d", {"api-version": "1", "x": ""}),
    ],
)
def test_an_address_and_its_query_are_taken_apart(url, base, query):
    assert (endpoint.base(url), endpoint.query(url)) == (base, query)


@pytest.mark.parametrize(
    "content", ['{"api-key": "a-secret-value"}', "api-key: a-secret-value", "\n api-key :  a-secret-value\n"]
)
def test_one_variable_may_hold_all_headers(monkeypatch, content):
    monkeypatch.setenv("ALL", content)
    assert headers("ALL") == {"api-key": "a-secret-value"}
    assert headers(None) == {}


@pytest.mark.parametrize(
    "content", ["just a secret value", '["a"]', '{"a": 1}', "a b: c-secret", "x: söcret-value", "x: "]
)
def test_what_is_no_header_is_told_without_showing_it(monkeypatch, content):
    monkeypatch.setenv("ALL", content)
    with pytest.raises(ConfigurationError, match="ALL holds what is no header") as caught:
        headers("ALL")
    assert "cret" not in str(caught.value)
    monkeypatch.delenv("ALL")
    with pytest.raises(ConfigurationError, match="ALL is not set"):
        headers({"x": "ALL"})
