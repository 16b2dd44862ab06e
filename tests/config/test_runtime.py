"""Settings of speed and place."""

from synalign import config


def test_every_runtime_setting_says_why_it_changes_no_result() -> None:
    assert set(config.RUNTIME_REASONS) == set(config.Runtime.model_fields)
