"""The traffic of two sets, in vectors of one encoder."""

from collections.abc import Callable
from typing import Any

import pytest

from synalign.changes import page, telling
from synalign.config import Configuration
from tests.changes.sets import ENCODER, FIRST, SECOND, Row, compared, finished, real, told

Make = Callable[..., Configuration]


@pytest.mark.parametrize("other", [{"revision": "cd" * 32}, {"query_prompt": "query: "}])
def test_vectors_of_another_encoder_are_made_anew(
    pair: Any, configuration: Make, monkeypatch: Any, other: dict[str, str]
) -> None:
    rows = [*real("a boat", "a ship"), Row("x")]
    finished(configuration(), SECOND, rows, metrics={"embed": {**ENCODER, **other}})
    asked: list[str] = []

    def encode(texts: list[str], settings: Any, *_: Any, **__: Any) -> Any:
        import numpy as np

        asked.extend(texts)
        return np.eye(64, dtype=np.float32)[: len(texts)]

    monkeypatch.setattr("synalign.embedding.encoder.encode", encode)
    drift = compared().drift
    assert drift is not None
    assert len(asked) == drift.queries == 22


def test_without_real_queries_it_says_that_it_cannot_tell(configuration: Make) -> None:
    for interval in (FIRST, SECOND):
        finished(configuration(), interval, [Row(interval.name)])
    found = compared()
    assert found.drift is None
    assert telling.headline(found)[0].startswith("Whether traffic moved cannot be told")
    assert "Traffic unknown" in page.render(found)
    assert "Rows" in told(found)
