"""One door: the encoder here, or a server."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from synalign.config import Configuration, Encoder
from synalign.embedding import encoder
from synalign.encoders.encode import encode
from tests.encoders.double import Double, vector


def test_an_endpoint_is_asked_where_one_is_named_and_only_there(
    configuration: Callable[..., Configuration], double: Double
) -> None:
    texts = ["how to sort", "descale"]
    served = configuration(encoder={"model": "m", "endpoint": f"{double.url}/v1"})
    np.testing.assert_allclose(encode(texts, served), [vector(text) for text in texts], atol=1e-6)
    assert len(double.asked) == 1
    np.testing.assert_array_equal(encode(texts, configuration()), encoder.encode(texts, Encoder()))
    assert len(double.asked) == 1
