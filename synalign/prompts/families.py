"""Families of prompts: which wording a model of what size is asked in, and in how large pieces.

A family is a folder of templates beside this module, with a card that says what was measured with it. Imported by DAG
files: nothing heavy here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from synalign.config import Configuration


class Family(NamedTuple):
    """How a batch is asked for.

    Attributes:
        name: Of its folder.
        shots: Demonstrations shown with a document that users chose for them, as turns.
        attributes: Whether a first request asks for latent attributes.
        one_by_one: Whether each request asks for one query for one document, as the shots are answered.
        document_characters: How much of a document is shown at most; None: as `generation.document_characters` says.
        shot_characters: The same of a shot's document: how one asks shows in little of it.
        named: Attributes that the model names at most, values of each, and characters of a value, as its template says.
    """

    name: str
    shots: int
    attributes: bool
    one_by_one: bool
    document_characters: int | None
    shot_characters: int | None
    named: tuple[int, int, int]


FAMILIES = {
    "large": Family("large", 0, True, False, None, 400, (8, 8, 100)),
    "small": Family("small", 4, False, True, 400, 200, (5, 3, 40)),
    "code": Family("code", 4, False, True, 600, 300, (5, 3, 40)),
}


def family(configuration: Configuration) -> Family:
    """Return the family of a configuration, with what the configuration says otherwise.

    Labels have no documents to be shown with: classification is asked as `large` asks, whatever is configured.
    """
    settings = configuration.generation
    given = settings.prompts
    if configuration.task == "classification":
        return FAMILIES["large"]._replace(attributes=True if given.attributes is None else given.attributes)
    name = given.family
    if name == "auto":
        name = "small" if settings.endpoint == "local" else "large"
    found = FAMILIES[name]
    if given.shots is not None:
        found = found._replace(shots=given.shots)
    if given.attributes is not None:
        found = found._replace(attributes=given.attributes)
    return found
