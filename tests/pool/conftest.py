"""Nights of a small world in a third of the time: what is the same for all steps is found out once."""

import os

import pytest

from synalign.run import manifests

_VERSIONS = manifests.versions()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No night of these tests has to outlive a power cut."""
    monkeypatch.setattr(manifests, "versions", lambda: _VERSIONS)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
