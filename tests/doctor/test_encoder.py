"""The encoder as it is, and as it should not be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.doctor import Case, Finding
from synalign.embedding import encoder

Make, Look = Callable[..., Case], Callable[[str, Case], Finding]


def test_the_encoder_in_the_environment_is_the_published_one(case: Make, check: Look) -> None:
    found = check("encoder", case())
    assert found.state == "pass", found
    assert "384 dimensions" in found.found
    assert f"{encoder.EMBEDDED_WEIGHTS[:12]}..., the published one" in found.found


def test_an_encoder_that_was_altered_is_refused(case: Make, check: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "EMBEDDED_WEIGHTS", "0" * 64)
    encoder.revision.cache_clear()
    try:
        found = check("encoder", case())
    finally:
        encoder.revision.cache_clear()
    assert found.state == "fail"
    assert "must be 0000" in found.found
    assert "force-reinstall" in found.remedy


def test_an_encoder_that_is_not_there_is_named(case: Make, check: Look, tmp_path: Path) -> None:
    found = check("encoder", case(encoder={"model": str(tmp_path / "model")}))
    assert found.state == "fail"
    assert "encoder.model" in found.found
    assert "save_pretrained" in found.remedy
