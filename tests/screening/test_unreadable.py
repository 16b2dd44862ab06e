"""Queries that the encoder cannot read are known as such before anything is said by their vectors."""

from collections.abc import Callable

from synalign.config import Configuration
from synalign.steps.job import perform
from synalign.steps.screen import screen
from tests.screening.runs import reasons, run_with


def test_what_the_encoder_cannot_read_is_no_near_duplicate_of_anything(
    configuration: Callable[..., Configuration],
) -> None:
    """Two Chinese queries of different products have one vector: unknown words are not alike, they are unknown."""
    run = run_with(
        configuration(),
        [
            ("\u7535\u996d\u7172\u6f0f\u6c34", 5, "d0"),
            ("\u5fae\u6ce2\u7089\u6f0f\u6c34", 5, "d0"),
            ("rice cooker leaks", 20, "d0"),
            ("rice cooker leaks \U0001f600", 100, "d90"),
        ],
    )
    perform(run, "screen", screen)
    assert list(reasons(run).values()) == ["unreadable", "unreadable", None, None]
