"""The base of every section: closed, frozen, and strict about kinds of values."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from synalign import config
from synalign.config.closed import Address, Closed


class Section(Closed):
    number: float = 0.0
    day: date | None = None
    switch: bool = False
    address: Address = ""


def test_a_configuration_cannot_be_changed(configuration: Callable[..., config.Configuration]) -> None:
    loaded = configuration()
    with pytest.raises(ValueError, match="frozen"):
        loaded.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "content",
    [
        {"unknown": 1},
        {"number": True},
        {"number": float("inf")},
        {"number": float("nan")},
        {"day": 86400},
        {"day": b"2026-01-01"},
        {"address": b"x"},
        {"address": "https://user:password@host/"},
        {"address": "https://hooks.slack.com/services/T0/B0/x"},
    ],
    ids=str,
)
def test_what_pydantic_would_take_for_something_else_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Section.model_validate(content)


def test_what_is_meant_is_taken() -> None:
    section = Section.model_validate({"number": 1, "day": "2026-01-01", "switch": True, "address": " http://host/a@b "})
    assert section == Section(number=1.0, day=date(2026, 1, 1), switch=True, address="http://host/a@b")
