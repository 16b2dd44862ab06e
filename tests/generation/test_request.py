"""What is sent for a request, its key in the journal, and the headers that go with it."""

from __future__ import annotations

import json

import pytest

from synalign.config import Configuration
from synalign.generation import request
from synalign.generation.dialect import FORMS, form_of
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
