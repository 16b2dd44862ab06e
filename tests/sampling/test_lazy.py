"""Lazy choice of the largest falling value, against looking at all of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.sampling import lazy
from synalign.sampling.lazy import LazyLargest

TIE = 1e-6


@settings(max_examples=30, derandomize=True)
@given(
    seed=st.integers(0, 10**6),
    error=st.sampled_from([0.0, 1e-4, 1e-2, 1.0]),
    levels=st.sampled_from([0, 1, 3, 10]),
    always_exact=st.booleans(),
)
def test_choice_is_that_of_full_evaluation(seed: int, error: float, levels: int, always_exact: bool) -> None:
    generator = np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy, "FIRST_BATCH", 4)
        patch.setattr(lazy, "EXACT_BATCH", 3)
        values = generator.random(50) if not levels else generator.integers(levels, size=50) / levels
        noise = error * generator.uniform(-1, 1, size=50)

        def screen(which: np.ndarray) -> np.ndarray:
            return values[which] + noise[which]

        chooser = LazyLargest(
            50, 1.0, screen=screen, exact=lambda which: values[which], margin=4 * error + 1e-9, tie=TIE,
            always_exact=always_exact,
        )  # fmt: skip
        open_entries = np.ones(50, dtype=bool)
        for _ in range(20):
            left = np.where(open_entries, values, -np.inf)
            place, value = chooser.best()
            assert place == int(np.argmax(left >= left.max() - TIE))
            assert abs(value - values[place]) <= (0.0 if always_exact else error)
            chooser.close(place)
            open_entries[place] = False
            values *= generator.choice([1.0, 0.9, 0.3], size=50)


def test_a_margin_that_proves_too_small_grows() -> None:
    values = np.linspace(0.5, 0.6, 400)
    chooser = LazyLargest(
        400, 1.0, screen=lambda which: values[which] - 1e-3, exact=lambda which: values[which], margin=1e-6, tie=1e-9
    )
    assert chooser.best()[0] == 399
    assert chooser._margin == pytest.approx(4e-3)


def test_what_screening_cannot_say_is_decided_exactly() -> None:
    values = np.linspace(0.0, 1.0, 300)
    chooser = LazyLargest(
        300, 1.0, screen=lambda which: np.full(len(which), np.nan), exact=lambda which: values[which],
        margin=1e-6, tie=1e-9,
    )  # fmt: skip
    assert chooser.best() == (299, 1.0)
