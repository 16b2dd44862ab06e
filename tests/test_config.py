from collections.abc import Callable
from pathlib import Path

import pytest

from synalign import config


def test_a_configuration_cannot_be_changed(configuration: Callable[..., config.Configuration]) -> None:
    loaded = configuration()
    with pytest.raises(ValueError, match="frozen"):
        loaded.seed = 3  # type: ignore[misc]


def test_no_section_takes_a_secret() -> None:
    names = set(config.Generation.model_fields) | set(config.Configuration.model_fields)
    assert not {name for name in names if name in ("api_key", "password", "token", "secret")}


def test_every_runtime_setting_says_why_it_changes_no_result() -> None:
    assert set(config.RUNTIME_REASONS) == set(config.Runtime.model_fields)


def test_relative_paths_start_at_home_and_absolute_ones_stay(home: Path) -> None:
    assert config.resolve("data/x") == home / "data" / "x"
    assert config.resolve("/data/x") == Path("/data/x")
