"""What the tries of one request cost in tokens: as reported, and at most where the endpoint does not say."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from synalign.generation import outcomes
from synalign.generation.outcomes import Failure, Reply


class Spent(NamedTuple):
    """Tokens of some tries.

    Attributes:
        tokens_in: Tokens sent, as reported; None where the model answered and the endpoint does not say.
        tokens_out: The same for tokens received.
        most_in: The most that can have been sent.
        most_out: The most that can have been received.
    """

    tokens_in: int | None
    tokens_out: int | None
    most_in: int
    most_out: int


def spent(tries: Iterable[Reply | Failure], most_in: int, most_out: int) -> Spent:
    """Add up what tries cost.

    Args:
        tries: How they ended.
        most_in: The most tokens that one of them can have sent.
        most_out: The most that one can have received.

    Examples:
        >>> spent([Failure("invalid_output", "", tokens_in=7, tokens_out=3), Failure("timeout", "")], 100, 200)
        Spent(tokens_in=7, tokens_out=3, most_in=107, most_out=203)
    """
    tries = list(tries)
    reported_in, at_most_in = _sum(tries, "tokens_in", most_in)
    reported_out, at_most_out = _sum(tries, "tokens_out", most_out)
    return Spent(reported_in, reported_out, at_most_in, at_most_out)


def _sum(tries: list[Reply | Failure], name: str, bound: int) -> tuple[int | None, int]:
    reported, at_most, silent = 0, 0, False
    for ended in tries:
        outcome = ended.outcome if isinstance(ended, Failure) else outcomes.OK
        tokens: int | None = getattr(ended, name)
        if tokens is None and outcome not in outcomes.UNBILLED:
            at_most += bound
            silent = silent or outcome in outcomes.ANSWERED
        else:
            reported, at_most = reported + (tokens or 0), at_most + (tokens or 0)
    return (None if silent else reported), at_most
