"""The address of an endpoint, and the headers that the environment holds."""

from __future__ import annotations

import pytest

from synalign.errors import ConfigurationError
from synalign.generation import endpoint
from synalign.generation.endpoint import headers


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
