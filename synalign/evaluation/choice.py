"""What a training set is: the champion among the arms on real validation queries, or what the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from synalign.config.schemes import NONE
from synalign.text.numbers import counted

if TYPE_CHECKING:
    from synalign.config import Alignment, Chosen
    from synalign.evaluation.ladder import Entry, Ladder


class Choice(NamedTuple):
    """The weights of a training set, and why.

    Attributes:
        scheme: The scheme; `none`: it is the real pairs alone.
        mass: Total weight of its synthetic rows over that of its real train rows; 0 for `none`.
        validated: Whether validation queries chose it.
        reason: In words.
    """

    scheme: Chosen
    mass: float
    validated: bool
    reason: str


def choose(ladder: Ladder) -> Choice:
    """Return the champion of the last round; test queries have no say."""
    chosen = ladder.champion
    queries = ladder.scores[chosen.cell].shape[1]
    return Choice(
        chosen.cell.scheme, chosen.cell.mass, True, _reason(ladder.last, chosen, queries, ladder.measured.words)
    )


def configured(settings: Alignment, why: str) -> Choice:
    """Return scheme and mass of the configuration, for runs in which no query can choose.

    >>> from synalign.config import Alignment
    >>> configured(Alignment(), "no retriever was trained").reason
    'not validated: no retriever was trained, so alignment.scheme and alignment.mass hold'
    """
    reason = f"not validated: {why}, so alignment.scheme and alignment.mass hold"
    return Choice(settings.scheme, settings.mass, False, reason)


def mass_of(found: dict[str, Any], settings: Alignment) -> float:
    """Return the mass of a row of the table `choice`, or of the metrics of *evaluate*.

    Before masses were chosen neither had one, and the configuration's held.

    >>> from synalign.config import Alignment
    >>> mass_of({"scheme": "equal"}, Alignment(mass=3.0)), mass_of({"scheme": "none", "mass": 0.0}, Alignment())
    (3.0, 0.0)
    """
    mass = found.get("mass")
    return settings.mass if mass is None else float(mass)


def _reason(entries: list[Entry], chosen: Entry, queries: int, words: str) -> str:
    """Say which simpler arm was beaten; where none was, that no other is better, so that a tie is not told as a win.

    The scores stand after a colon: the report has them elsewhere.
    """
    judged = counted(queries, "validation query", "validation queries")
    if len(entries) == 1:
        return f"the only one of evaluation.masses: {words} {chosen.mean:.4f} on {judged}"
    if chosen.against is not None:
        return (
            f"better than {chosen.against.words} by more than one standard error on {judged}: "
            f"{words} {chosen.mean:.4f} at mass {chosen.cell.mass:g}, {_apart(chosen)}"
        )
    best = max(entries[1:], key=lambda entry: entry.difference)
    others = "training with written queries" if chosen.cell.scheme == NONE else "any other arm"
    return (
        f"{others} is not better than {chosen.cell.words} by more than one standard error on {judged}: "
        f"{words} {chosen.mean:.4f}, the best other {best.cell.words} {_apart(best)}"
    )


def _apart(entry: Entry) -> str:
    return f"{entry.difference:+.4f} \u00b1 {entry.standard_error:.4f}"
