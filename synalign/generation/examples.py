"""A few queries behind the ledger's reasons, so that a person sees what was thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from synalign.generation.ledger import OF_A_QUERY
from synalign.privacy import redact
from synalign.text.normal import EXAMPLE_CHARACTERS

if TYPE_CHECKING:
    from synalign.config import Configuration
    from synalign.generation.writing import Written

EXAMPLES = 3


def dropped_examples(written: Sequence[Written], configuration: Configuration) -> dict[str, list[dict[str, str]]]:
    """Return the first queries that were dropped for each reason, in the order of the answers.

    Args:
        written: What the answers gave.
        configuration: Says what is personal data; none goes into a manifest.

    Returns:
        By the ledger's reason, at most `EXAMPLES` of `query`, cut to `EXAMPLE_CHARACTERS`, and `document_id`.
    """
    settings = configuration.generation
    examples: dict[str, list[dict[str, str]]] = {}
    for dropped in (query for part in written for query in part.dropped):
        known = examples.setdefault(OF_A_QUERY.get(dropped.reason, dropped.reason), [])
        if len(known) < EXAMPLES:
            text = redact(dropped.query, settings.redact, settings.phone_regions)[:EXAMPLE_CHARACTERS]
            known.append({"query": text, "document_id": dropped.document_id})
    return examples
