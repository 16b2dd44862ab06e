"""The circuit breaker: gives a run up when too many of its recent tries failed, before more is spent on it."""

from __future__ import annotations

from collections import Counter, deque

from synalign.errors import EndpointError, GenerationError
from synalign.generation import outcomes

WINDOW = 50
LEAST = 20
"""How many recent tries are looked at, and how many there must be before anything is given up."""

# The endpoint works and says "later", or the model does not want to: neither gets better by giving up.
_NO_FAILURES = frozenset({outcomes.OK, outcomes.RATE_LIMITED, outcomes.REFUSED})


class Breaker:
    """Watches how tries end.

    Args:
        max_failure_rate: Share of recent tries that may fail.
    """

    def __init__(self, max_failure_rate: float) -> None:
        self.max_failure_rate = max_failure_rate
        self._recent: deque[str] = deque(maxlen=WINDOW)

    def add(self, outcome: str) -> GenerationError | None:
        """Note how a try ended.

        Returns:
            Why the run is to be given up, or None.
        """
        if outcome in (outcomes.RATE_LIMITED, outcomes.REFUSED):
            return None
        self._recent.append(outcome)
        failed = Counter(recent for recent in self._recent if recent not in _NO_FAILURES)
        share = failed.total() / len(self._recent)
        if len(self._recent) < LEAST or share <= self.max_failure_rate:
            return None
        kinds = ", ".join(f"{kind} {count}" for kind, count in failed.most_common())
        # An answer that is not of the schema is paid, and would be again: no time mends that.
        kind = EndpointError if failed.most_common(1)[0][0] in outcomes.LASTING else GenerationError
        return kind(
            f"{failed.total()} of the last {len(self._recent)} tries failed, more than runtime.max_failure_rate == "
            f"{self.max_failure_rate}: {kinds}.",
            cause=_CAUSES.get(failed.most_common(1)[0][0], "the endpoint is down or overloaded"),
            remedy="see the log for what the endpoint said, mend that and run the step again; good answers are kept "
            "and not paid twice",
        )


_CAUSES = {
    outcomes.INVALID_OUTPUT: "the model does not follow the schema, or the endpoint is no chat-completions endpoint",
    outcomes.TRUNCATED: "generation.max_output_tokens is too low for this model",
    outcomes.CONTEXT_TOO_LONG: "requests are longer than the model's context",
    outcomes.REJECTED: "the endpoint does not take a parameter that is sent",
    outcomes.TIMEOUT: "the endpoint is overloaded, or runtime.timeout_seconds too short for this model",
}
