"""The ledger: where every query that was paid for ended, in exactly one state, so that the counts add up.

It has two parts. Of the queries that this interval asked for:

    asked_for == accepted + all rejected + all not written

*Rejected* is what the model wrote, or wrote in vain; *not written* is what never came. What a model returns beyond what
it was asked for (more queries than wanted, or for documents that nobody named) is *surplus*, counted apart.

And of the candidates that earlier intervals accepted, or have not judged yet:

    found == accepted + all left behind + all rejected

*Left behind* is what the step *carry* did not take up, and what the model wrote again today; *rejected* is what passed
no filter this time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from synalign.errors import RunError
from synalign.generation import outcomes
from synalign.generation.schemas import NOT_TEXT
from synalign.generation.writing import (
    CONTROL_CHARACTERS,
    EMPTY,
    OVER_LENGTH,
    TOO_MANY,
    UNKNOWN_DOCUMENT,
    Written,
    asked_for,
)
from synalign.screening.reasons import LEAVING, REASONS, REJECTING, WRITTEN_AGAIN, in_order

if TYPE_CHECKING:
    from synalign.config import Configuration
    from synalign.generation.results import Result

NOT_RETURNED = "not_returned"
SURPLUS = (TOO_MANY, UNKNOWN_DOCUMENT)

# An answer that ended so was paid for: its queries were written in vain, and count as rejected.
IN_VAIN = {
    outcomes.REFUSED: "refused",
    outcomes.TRUNCATED: "truncated",
    outcomes.INVALID_OUTPUT: "invalid",
}
OF_A_QUERY = {OVER_LENGTH: "over_length", EMPTY: "invalid", CONTROL_CHARACTERS: "invalid", NOT_TEXT: "invalid"}
"""What the ledger calls the reasons why a query of an answer is no candidate; surplus keeps its names."""


def generation_ledger(
    results: Sequence[Result], written: Sequence[Written], configuration: Configuration
) -> dict[str, Any]:
    """Return the ledger as far as the step *generate* knows it; `accepted` are the candidates it hands on.

    Args:
        results: What came of each batch, or of each part of one.
        written: What its second answer gave, in the same order.
        configuration: Says how many queries were asked for.

    Returns:
        `asked_for`, `returned` (queries in all good answers), `accepted`, `rejected`, `not_written` and `surplus` (each
        by reason, only what occurred), and `invalid`, what stands behind the reason of that name.

    Raises:
        RunError: It does not add up, which is a mistake in SynAlign.
    """
    rejected: Counter[str] = Counter()
    not_written: Counter[str] = Counter()
    surplus: Counter[str] = Counter()
    invalid: Counter[str] = Counter()
    for result, part in zip(results, written, strict=True):
        for reason, count in part.rejected.items():
            if reason in SURPLUS:
                surplus[reason] += count
            else:
                _reject(reason, OF_A_QUERY.get(reason, reason), count, rejected, invalid)
        outcome = result.write.outcome
        if outcome in IN_VAIN:
            _reject(outcome, IN_VAIN[outcome], part.missing, rejected, invalid)
        else:
            not_written[_never_written(result)] += part.missing
    ledger = {
        "asked_for": sum(asked_for(result.batch, configuration) for result in results),
        "returned": sum(part.returned for part in written),
        "accepted": sum(len(part.candidates) for part in written),
        "rejected": _by_name(rejected),
        "not_written": _by_name(not_written),
        "surplus": _by_name(surplus),
        "invalid": _by_name(invalid),
    }
    _require_balance(ledger)
    return ledger


def whole_ledger(generate_metrics: Mapping[str, Any], screen_metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the ledger of a refresh: what *generate* and *screen* rejected, as one.

    Args:
        generate_metrics: Metrics of the step *generate*; `ledger` is read.
        screen_metrics: Metrics of the step *screen*; `candidates`, `accepted` and `rejected` are read.

    Returns:
        `asked_for`, `accepted`, `rejected`, `not_written` and `surplus`; reasons in the order of `REASONS`.

    Raises:
        RunError: It does not add up, or a step's manifest has no ledger.
    """
    try:
        before: Mapping[str, Any] = generate_metrics["ledger"]
        handed_on, screened = before["accepted"], screen_metrics["candidates"]
        rejected = Counter(before["rejected"]) + Counter(screen_metrics["rejected"])
        ledger = {
            "asked_for": before["asked_for"],
            "accepted": screen_metrics["accepted"],
            "rejected": in_order(rejected),
            "not_written": dict(before["not_written"]),
            "surplus": dict(before["surplus"]),
        }
    except KeyError as error:
        raise RunError(
            f"the manifests of generate and screen have no {error.args[0]!r}.",
            cause="they were written by another version of SynAlign",
            remedy="run the steps generate and screen again; answers in the journal are not paid twice",
        ) from error
    if handed_on != screened:
        raise RunError(
            f"generate handed on {handed_on} candidates, screen judged {screened}.",
            cause="the manifests belong to two runs",
            remedy="run the step screen again",
        )
    _require_balance(ledger)
    return ledger


def carried_ledger(carry_metrics: Mapping[str, Any], screen_metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the second part of the ledger of a refresh: what became of the candidates of earlier intervals.

    Args:
        carry_metrics: Metrics of the step *carry*; `found`, `carried` and `left` are read.
        screen_metrics: Metrics of the step *screen*; `carried` is read.

    Returns:
        `found`, `carried` (how many of them were judged again), `accepted`, `left` and `rejected`; reasons in the
        order of `REASONS`.

    Raises:
        RunError: It does not add up, or a step's manifest has no such part.
    """
    try:
        screened: Mapping[str, Any] = screen_metrics["carried"]
        again, judged = screened[WRITTEN_AGAIN], screened["candidates"]
        handed_on = carry_metrics["carried"]
        left = Counter(carry_metrics["left"]) + Counter({WRITTEN_AGAIN: again})
        ledger = {
            "found": carry_metrics["found"],
            "carried": judged,
            "accepted": screened["accepted"],
            "left": in_order(left),
            "rejected": in_order(screened["rejected"]),
        }
    except KeyError as error:
        raise RunError(
            f"the manifests of carry and screen have no {error.args[0]!r}.",
            cause="they were written by another version of SynAlign",
            remedy="run the steps carry and screen again; answers in the journal are not paid twice",
        ) from error
    if handed_on != judged + again:
        raise RunError(
            f"carry handed on {handed_on} candidates, screen judged {judged} and found {again} written again.",
            cause="the manifests belong to two runs",
            remedy="run the step screen again",
        )
    _require_carried_balance(ledger)
    return ledger


def ledger_lines(ledger: Mapping[str, Any]) -> list[str]:
    r"""Return a ledger for people: one count a line, and a sum that can be checked by eye.

    Examples:
        >>> print(*ledger_lines({"asked_for": 10, "accepted": 6, "rejected": {"leak": 3},
        ...                      "not_written": {"not_returned": 1}, "surplus": {"too_many": 2}}), sep="\n")
          6  accepted
          3  rejected: leak
          1  not written: not returned
        ---
         10  asked for
         (2  surplus: too many)
    """
    parts = [("accepted", ledger["accepted"])]
    parts += [(f"rejected: {reason}", count) for reason, count in ledger["rejected"].items()]
    parts += [(f"not written: {reason}", count) for reason, count in ledger["not_written"].items()]
    width = len(str(max([ledger["asked_for"], *ledger["surplus"].values()]))) + 1
    lines = _sum_lines(parts, ledger["asked_for"], "asked for", width)
    lines += [
        f"{f'({count}':>{width}}  surplus: {reason.replace('_', ' ')})" for reason, count in ledger["surplus"].items()
    ]
    return lines


def carried_lines(ledger: Mapping[str, Any]) -> list[str]:
    r"""Return the second part of a ledger for people; nothing where earlier intervals have no candidate.

    Examples:
        >>> print(*carried_lines({"found": 9, "carried": 7, "accepted": 6, "left": {"document_gone": 2},
        ...                       "rejected": {"leak": 1}}), sep="\n")
         6  accepted
         2  left behind: document gone
         1  rejected: leak
        --
         9  found in earlier intervals
    """
    if not ledger["found"]:
        return []
    parts = [("accepted", ledger["accepted"])]
    parts += [(f"left behind: {reason}", count) for reason, count in ledger["left"].items()]
    parts += [(f"rejected: {reason}", count) for reason, count in ledger["rejected"].items()]
    return _sum_lines(parts, ledger["found"], "found in earlier intervals", len(str(ledger["found"])) + 1)


def ledger_figures(ledger: Mapping[str, Any]) -> dict[str, int]:
    """Return a ledger as flat metrics, such as `rejected.leak`, with 0 for every reason that did not occur.

    So a reason's history over many refreshes has no gaps.
    """
    figures = {"asked_for": ledger["asked_for"], "accepted": ledger["accepted"]}
    figures |= _by_reason("rejected", ledger["rejected"], REJECTING)
    for kind in ("not_written", "surplus"):
        figures[kind] = sum(ledger[kind].values())
        figures |= {f"{kind}.{reason}": count for reason, count in ledger[kind].items()}
    figures["rejected"] = sum(ledger["rejected"].values())
    return figures


def carried_figures(ledger: Mapping[str, Any]) -> dict[str, int]:
    """Return the second part of a ledger as flat metrics, such as `left.retired`, with 0 for what did not occur."""
    screening = [name for name in REJECTING if REASONS[name].step == "screen"]
    return {
        "found": ledger["found"],
        "carried": ledger["carried"],
        "accepted": ledger["accepted"],
        "left": sum(ledger["left"].values()),
        "rejected": sum(ledger["rejected"].values()),
        **_by_reason("left", ledger["left"], LEAVING),
        **_by_reason("rejected", ledger["rejected"], screening),
    }


def _by_reason(kind: str, counts: Mapping[str, int], names: Sequence[str]) -> dict[str, int]:
    return {f"{kind}.{reason}": counts.get(reason, 0) for reason in (*names, *counts)}


def _sum_lines(parts: Sequence[tuple[str, int]], total: int, name: str, width: int) -> list[str]:
    lines = [f"{count:>{width}}  {part.replace('_', ' ')}" for part, count in parts]
    return [*lines, "-" * width, f"{total:>{width}}  {name}"]


def _reject(reason: str, state: str, count: int, rejected: Counter[str], invalid: Counter[str]) -> None:
    """Count a rejection; a reason that the ledger does not know by name is one of the ways to be invalid."""
    state = state if state in REASONS else "invalid"
    rejected[state] += count
    if state == "invalid":
        invalid[reason] += count


def _never_written(result: Result) -> str:
    """Return why queries that were asked for are not in a batch's answer."""
    if result.write.outcome == outcomes.OK:
        return NOT_RETURNED
    ended = result.write.outcome
    # The second request waits for the first: when the money did not reach for that one, that is the reason.
    if ended == outcomes.NOT_SENT and result.reason.outcome == outcomes.OVER_BUDGET:
        return outcomes.OVER_BUDGET
    return ended if ended in (outcomes.NOT_SENT, outcomes.OVER_BUDGET) else f"request_{ended}"


def _by_name(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted((+counts).items()))


def _require_carried_balance(ledger: Mapping[str, Any]) -> None:
    left, rejected = sum(ledger["left"].values()), sum(ledger["rejected"].values())
    total = ledger["accepted"] + left + rejected
    if ledger["found"] != total:
        raise RunError(
            f"the ledger of carried queries does not add up: {ledger['found']} were found in earlier intervals, but "
            f"{ledger['accepted']} accepted + {left} left behind {ledger['left']} + {rejected} rejected "
            f"{ledger['rejected']} = {total}.",
            cause="a mistake in SynAlign, or a manifest that was edited",
            remedy="report it with the manifests of carry and screen",
        )


def _require_balance(ledger: Mapping[str, Any]) -> None:
    rejected, not_written = sum(ledger["rejected"].values()), sum(ledger["not_written"].values())
    total = ledger["accepted"] + rejected + not_written
    if ledger["asked_for"] != total:
        raise RunError(
            f"the ledger does not add up: {ledger['asked_for']} queries were asked for, but {ledger['accepted']} "
            f"accepted + {rejected} rejected {ledger['rejected']} + {not_written} not written "
            f"{ledger['not_written']} = {total}.",
            cause="a mistake in SynAlign, or a manifest that was edited",
            remedy="report it with the manifests of generate and screen",
        )
