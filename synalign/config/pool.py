"""Settings of the pool: what earlier intervals wrote, and this one takes up again."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synalign.config.closed import Closed


class Pool(Closed):
    """Candidates of earlier intervals, carried on and judged anew."""

    nights: int = Field(
        28, ge=0, le=365, description="How many earlier intervals' accepted candidates are carried on. 0: none."
    )
    max_candidates: int = Field(
        100_000,
        ge=1,
        le=5_000_000,
        description="Most candidates that are carried on; the lightest go first, then the oldest.",
    )
    retire_after: int = Field(
        7,
        ge=0,
        le=365,
        description="A candidate leaves when so many intervals in a row gave it the aligned weight 0. 0: never.",
    )
    writer: Literal["any", "current"] = Field(
        "any",
        description="Whose candidates are carried on: any model's and prompt's, or only those of today's "
        "`generation.model` and prompts.",
    )
    explored: bool = Field(
        True,
        description="Whether what is carried on counts as shown when demonstrations are picked, and as events of its "
        "documents when targets are chosen.",
    )
    queries_per_document: int = Field(
        4,
        ge=1,
        le=1000,
        description="A document with so many carried queries is written for again only after all others have so many.",
    )
