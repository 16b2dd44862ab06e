"""Which weights a training set gets: those of the arm that is best on real validation queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from synalign.config.schemes import PREFERRED

if TYPE_CHECKING:
    from synalign.config import Scheme


class Choice(NamedTuple):
    """The weights of a training set, and why.

    Attributes:
        scheme: The scheme.
        validated: Whether validation queries chose it.
        reason: In words.
    """

    scheme: Scheme
    validated: bool
    reason: str


def choose(means: dict[str, float], queries: int) -> Choice:
    """Choose by validation queries; test queries have no say.

    The list is kept to three: chosen from about thirty, on two to three hundred queries, the winner was one that only
    those queries liked.

    Args:
        means: Mean nDCG@10 on validation queries over seeds, by arm; those of the schemes are looked at.
        queries: How many validation queries there were, at least one.

    Examples:
        >>> choose({"equal": 0.3, "equal_mass": 0.4, "aligned": 0.4, "control": 0.9}, 70)[:2]
        ('aligned', True)
    """
    best = max(means[scheme] for scheme in PREFERRED)
    scheme = next(scheme for scheme in PREFERRED if means[scheme] == best)
    others = ", ".join(f"{name} {means[name]:.4f}" for name in PREFERRED if name != scheme)
    noun = "validation query" if queries == 1 else "validation queries"
    return Choice(scheme, True, f"best of three on {queries} {noun}: nDCG@10 {means[scheme]:.4f}, against {others}")


def configured(scheme: Scheme, why: str) -> Choice:
    """Return the scheme of the configuration, for runs in which no query can choose.

    >>> configured("aligned", "no retriever was trained").reason
    'not validated: no retriever was trained, so alignment.scheme holds'
    """
    return Choice(scheme, False, f"not validated: {why}, so alignment.scheme holds")
