"""Settings of ingestion and sampling that must fit each other."""

import pytest
from pydantic import ValidationError

from synalign import config


def test_something_is_left_to_train_on() -> None:
    with pytest.raises(ValidationError, match="nothing is left to train on"):
        config.Ingest(validation_fraction=0.5, test_fraction=0.5)
    assert config.Ingest(validation_fraction=0.4, test_fraction=0.5).test_fraction == 0.5


def test_members_of_a_batch_are_picked_among_as_many_as_it_has() -> None:
    with pytest.raises(ValidationError, match="breadth must be >= neighbours"):
        config.Sampling(neighbours=17)
    assert config.Sampling(neighbours=16).breadth == 16
