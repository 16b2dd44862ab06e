"""A double of a server that embeds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.encoders.double import Double, embedding


@pytest.fixture
def double() -> Iterator[Double]:
    with embedding() as found:
        yield found
