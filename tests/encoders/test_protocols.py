"""What is sent to servers that embed, and what is taken as vectors."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.encoders import protocols
from synalign.generation.outcomes import Failure

OPENAI = Encoder(model="m", endpoint="http://x/v1")
TEI = OPENAI.model_copy(update={"api": "tei"})


def test_each_api_is_asked_in_its_own_words() -> None:
    assert protocols.call(OPENAI, ["a"]).body == {"model": "m", "input": ["a"], "encoding_format": "base64"}
    assert protocols.call(OPENAI, ["a"], as_bytes=False).body == {"model": "m", "input": ["a"]}
    assert protocols.call(TEI, ["a"]).body == {"inputs": ["a"], "normalize": True, "truncate": True}


def test_base64_is_given_up_where_it_is_refused_and_nowhere_else() -> None:
    asked = protocols.call(OPENAI, ["a"])
    other = protocols.without_bytes(Failure("rejected", "status 400: encoding_format: not supported"), asked)
    assert other is not None
    assert other.body == {"model": "m", "input": ["a"]}
    assert protocols.without_bytes(Failure("rejected", "base64"), other) is None
    assert protocols.without_bytes(Failure("rejected", "status 400: no such model"), asked) is None
    assert protocols.without_bytes(Failure("server_error", "base64"), asked) is None


def test_vectors_are_put_in_order_by_their_index_and_scaled() -> None:
    packed = base64.b64encode(np.array([0, 5], "<f4").tobytes()).decode()
    answer = {"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": packed}]}
    found = protocols.read(answer, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [[0, 1], [0.6, 0.8]], atol=1e-7)
    np.testing.assert_allclose(protocols.read([[1e300, 1e300], [-1e-300, 0]], 2), [[0.5**0.5] * 2, [-1, 0]], atol=1e-7)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"data": [{"index": 0, "embedding": [1.0]}]}, "1 vectors for 2 texts"),
        ({"data": [{"index": 0, "embedding": [1.0]}] * 2}, "`index` is not 0 to 1"),
        ({"data": [{"index": True, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}]}, "`index`"),
        ({"data": "none"}, "no list `data`"),
        ({"error": "x"}, "no list `data`"),
        ("text", "neither a list"),
        (None, "neither a list"),
        ([[1.0]], "1 vectors for 2 texts"),
        ([[1.0], [1.0, 2.0]], "2 widths"),
        ([[], []], "widths"),
        ([[1.0], [float("nan")]], "no finite numbers"),
        ([[1.0], [float("inf")]], "no finite numbers"),
        ([[1.0], [0.0]], "zeros"),
        ([[1.0], ["1"]], "vector of numbers"),
        ([[1.0], [None]], "vector of numbers"),
        ([[1.0], [True]], "vector of numbers"),
        ([[1.0], {"a": 1}], "vector of numbers"),
        ([[1.0], [[1.0], [2.0]]], "pooling"),
        ([[1.0], "!!"], "base64"),
        ([[1.0], base64.b64encode(b"abc").decode()], "base64"),
        ([[1.0], [10**400]], "vector of numbers"),
    ],
)
def test_what_is_no_vectors_is_refused(answer: Any, told: str) -> None:
    with pytest.raises(Failure, match="invalid_output") as failed:
        protocols.read(answer, 2)
    assert told in failed.value.detail


def test_reported_tokens_that_make_no_sense_count_as_not_reported() -> None:
    for usage in ({"prompt_tokens": -1}, {"prompt_tokens": "9"}, {"prompt_tokens": True}, [], None, {}):
        assert protocols.tokens({"usage": usage}, {}) is None
    assert protocols.tokens({"usage": {"total_tokens": 5}}, {}) == 5
    assert protocols.tokens([], {"x-compute-tokens": "²"}) is None
