"""A batch that is too long for the model's context, made shorter: fewer documents a request, then less of each.

The parts of a batch depend on nothing but the batch and on which requests the endpoint found too long: a run that was
killed and goes on asks for the same parts, whose answers it finds in the journal.
"""

from __future__ import annotations

from synalign.config import Configuration
from synalign.generation.demonstration_batches import Batch

LEAST_CHARACTERS = 100
"""A document of which no more is shown says too little to write queries for."""


def smaller(batch: Batch, configuration: Configuration) -> tuple[Batch, ...]:
    """Batches that together ask for the same queries by shorter prompts; none where that cannot be.

    Args:
        batch: The batch, or part of one.
        configuration: Says how much of a document is shown.

    Returns:
        Two halves of its documents; of one document, the same with half of its text, and then with half of the
        demonstrations.
    """
    count = len(batch.documents)
    if count > 1:
        halves = batch.documents[: (count + 1) // 2], batch.documents[(count + 1) // 2 :]
        return tuple(batch._replace(documents=half, part=f"{batch.part}{number}") for number, half in enumerate(halves))
    characters = batch.characters or configuration.generation.document_characters
    shown = min(characters, max((len(document.text.strip()) for document in batch.documents), default=0))
    if shown // 2 >= LEAST_CHARACTERS:
        return (batch._replace(characters=shown // 2),)
    return tuple(filter(None, [fewer_demonstrations(batch)]))


def fewer_demonstrations(batch: Batch) -> Batch | None:
    """A batch with the first half of its demonstrations, which begin with the anchor; None where there is only one."""
    count = len(batch.demonstrations)
    return batch._replace(demonstrations=batch.demonstrations[: (count + 1) // 2]) if count > 1 else None
