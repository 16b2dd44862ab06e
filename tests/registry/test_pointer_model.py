"""The code of the model that stands for a training set, as MLflow runs it."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd

from synalign.registry.pointer_model import Pointer


def test_each_row_that_is_asked_gets_the_same_answer() -> None:
    context = SimpleNamespace(model_config={"location": "s3://sets/3", "digest": "ab"})
    answer = Pointer().predict(context, pd.DataFrame({"ask": ["a", "b"]}))
    assert answer.to_dict("list") == {"location": ["s3://sets/3"] * 2, "digest": ["ab"] * 2}
