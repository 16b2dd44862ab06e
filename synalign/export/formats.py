"""The formats, in one table, and the export to one of them."""

from __future__ import annotations

from synalign.errors import ConfigurationError, InputError, listed, meant
from synalign.export import (
    beir,
    flag_embedding,
    hugging_face,
    lightning_ir,
    pylate,
    sentence_transformers,
    tevatron,
)
from synalign.export.card import card
from synalign.export.layout import EVERYTHING, Format, Options, Written
from synalign.export.source import Source
from synalign.export.target import Target
from synalign.storage import Place

FORMATS: dict[str, Format] = {
    each.name: each
    for each in (
        sentence_transformers.FORMAT,
        beir.FORMAT,
        hugging_face.FORMAT,
        tevatron.FORMAT,
        flag_embedding.FORMAT,
        pylate.FORMAT,
        lightning_ir.FORMAT,
    )
}
"""Every format by the name that `--to` takes."""


def export(source: Source, to: str, place: Place, options: Options = EVERYTHING, *, overwrite: bool = False) -> Written:
    """Write a training set in a format, with a card that says where it came from and how to train on it.

    Args:
        source: The set.
        to: Name of the format.
        place: The folder, new or empty.
        options: What goes along.
        overwrite: Whether an earlier export in the folder is replaced.

    Returns:
        What was written.

    Raises:
        ConfigurationError: There is no such format, it has no place for what was asked for, or the folder is in use.
        InputError: The set has no rows for it.
        StorageError: Storage refuses.
    """
    chosen = _chosen(to, options)
    if options.scores and not source.negatives(options.negatives):
        raise ConfigurationError(
            f"--scores: {source.name} has no hard negatives to distil from.", remedy="export without --scores"
        )
    if any(str(file).startswith(f"{place}/") for file in source.content.files):
        raise ConfigurationError(
            f"--out: {place} holds the training set that is exported, must be another folder.",
            remedy="name another folder",
        )
    target = Target(place, overwrite=overwrite)
    try:
        written = chosen.write(source, target, options)
        target.finish(card(source, chosen, options, written))
    except (ConfigurationError, InputError):
        # The next try needs no --overwrite.
        place.remove()
        raise
    return written


def _chosen(to: str, options: Options) -> Format:
    if to not in FORMATS:
        raise ConfigurationError(
            f"--to == {to!r}, must be one of {listed(list(FORMATS))}.",
            remedy=f"{meant(to, list(FORMATS))}`synalign export --help` says what each is for",
        )
    chosen = FORMATS[to]
    if options.draw is not None and not chosen.draws:
        raise ConfigurationError(
            f"--draw cannot go with --to {to}.",
            cause=f"weights there are {chosen.weights}",
            remedy="export without --draw",
        )
    if options.scores and not chosen.distils:
        raise ConfigurationError(
            f"--scores cannot go with --to {to}.",
            cause=f"scores there are {chosen.scores}",
            remedy="export without --scores",
        )
    return chosen
