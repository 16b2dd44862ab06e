"""The home folder."""

from pathlib import Path

import pytest

from synalign import config


def test_relative_paths_start_at_home_and_absolute_ones_stay(home: Path) -> None:
    assert config.resolve("data/x") == home / "data" / "x"
    assert config.resolve("/data/x") == Path("/data/x")


def test_a_user_may_write_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SYNALIGN_HOME", "~/kept")
    assert config.resolve("x") == tmp_path / "kept" / "x"
    assert config.resolve("~/x") == tmp_path / "x"
