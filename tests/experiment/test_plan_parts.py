"""The parts of a plan."""

from synalign.experiment import TrainingSet


def test_a_version_may_be_written_as_a_number() -> None:
    assert TrainingSet.model_validate({"model": "m", "version": 7, "digest": "0" * 64}).version == "7"
