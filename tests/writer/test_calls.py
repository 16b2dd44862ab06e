"""Calls and errors of the embedded writer's endpoints."""

from __future__ import annotations

import json

import pytest

from synalign.writer.calls import Call, Rejected, Reply
from synalign.writer.faults import NO_FAULTS
from synalign.writer.tally import Tally


def call(body: bytes) -> Call:
    return Call((), {}, {}, body, NO_FAULTS, Tally(), {})


def test_a_body_is_read_as_json_or_refused_in_openais_shape() -> None:
    assert call('{"a": "é"}'.encode()).json() == {"a": "é"}
    for body in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(Rejected) as caught:
            call(body).json()
        assert caught.value.status == 400
        assert set(caught.value.body) == {"error"}
        assert set(caught.value.body["error"]) == {"message", "type", "param", "code"}


def test_a_reply_of_json_can_be_read_back() -> None:
    assert json.loads(Reply.of({"a": [1, None]}).body) == {"a": [1, None]}
    assert Reply.of({}).content_type == "application/json"
