"""The split of a query, where no Spark is at hand: `synalign.querylog.splits` has the definition."""

from __future__ import annotations

import hashlib
from typing import Literal

from synalign.config.traffic import Ingest
from synalign.tables import SEPARATOR

_DIGITS = 13


def split_of(query_id: str, settings: Ingest) -> Literal["train", "validation", "test"]:
    """Return the split that a query is in, by its hash and the settings of `ingest`.

    Examples:
        >>> split_of("any query", Ingest(validation_fraction=0.0, test_fraction=0.0))
        'train'
    """
    digest = hashlib.sha256(f"{settings.split_salt}{SEPARATOR}{query_id}".encode()).hexdigest()
    fraction = int(digest[:_DIGITS], 16) / 16**_DIGITS
    if fraction < settings.validation_fraction:
        return "validation"
    return "test" if fraction < settings.validation_fraction + settings.test_fraction else "train"
