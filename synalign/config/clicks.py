"""Settings of clicks: which rows of a log are clicks, and how they are freed of the bias of their position."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synalign.config.closed import Closed


class Clicks(Closed):
    """Which events are clicks, and what a click says of a document that stood higher or lower on the page."""

    model: Literal["none", "position", "coec"] = Field(
        "none",
        description="`none` counts clicks. `position` weighs a click by the inverse of how often people look at its "
        "position, as the log tells where documents changed places. `coec`: clicks over those that are expected at "
        "the positions where a document was shown. Both need `columns.position`, and rows that say what was shown: "
        "`columns.impressions` or `columns.action`.",
    )
    actions: tuple[str, ...] = Field(
        ("click",), min_length=1, description="Values of `columns.action` that are clicks; others are none."
    )
    shown: tuple[str, ...] = Field(
        ("impression",),
        description="Values of `columns.action` that say that a document was shown; an action may be in both lists.",
    )
    min_dwell_seconds: float = Field(
        0.0,
        ge=0.0,
        le=86_400.0,
        description="A click that people came back from sooner, by `columns.dwell`, is none; one without is.",
    )
    min_skips: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="A document that stood above a click of the same search and was not clicked was passed over; one "
        "that this happened to in so many searches for a query is proposed as a hard negative. null: none is.",
    )
    reformulation_seconds: int = Field(
        0,
        ge=0,
        le=86_400,
        description="A search without a click carries the next click of its session, if it came so soon, for a query "
        "of nearly the same words. 0: none does.",
    )
    max_weight: float = Field(
        10.0, ge=1.0, le=1000.0, description="A click at a position that nobody looks at counts at most so many times."
    )
