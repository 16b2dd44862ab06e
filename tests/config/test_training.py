"""Settings of a training: bounds, and what does not go together."""

from typing import Any

import pytest
from pydantic import ValidationError

from synalign.config import Training


def test_nothing_is_trained_by_itself_unless_it_is_asked_for() -> None:
    assert Training().trigger == "manual"


@pytest.mark.parametrize(
    "wrong",
    [
        {"loss": "distillation", "mini_batch_size": 8}, {"loss": "hinge"}, {"epochs": 0}, {"steps": 0},
        {"batch_size": 1}, {"learning_rate": 0.0}, {"warmup": 1.0}, {"evaluations": 0}, {"hard_negatives": 17},
        {"trigger": "always"}, {"precision": "int8"}, {"batch_size": True}, {"stepz": 3},
        {"lora": {"rank": 0}}, {"lora": {"alpha": 0}}, {"lora": {"dropout": 1.0}}, {"lora": True}, {"lora": {"r": 8}},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Training.model_validate(wrong)
