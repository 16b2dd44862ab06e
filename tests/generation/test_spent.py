"""What the tries of a request cost: nothing where nobody bills, the bound where nobody says."""

from __future__ import annotations

from synalign.generation import outcomes
from synalign.generation.outcomes import Failure
from synalign.generation.spent import Spent, spent


def test_each_outcome_counts_as_it_is_billed():
    answered = Failure(outcomes.TRUNCATED, "", tokens_in=7, tokens_out=None)
    limited, dropped = Failure(outcomes.RATE_LIMITED, ""), Failure(outcomes.SERVER_ERROR, "")
    assert spent([], 100, 200) == Spent(0, 0, 0, 0)
    assert spent([limited], 100, 200) == Spent(0, 0, 0, 0)
    # A server error may be billed, but what is reported stays what the model's answers say.
    assert spent([dropped], 100, 200) == Spent(0, 0, 100, 200)
    # The model answered and the endpoint does not say how much: then nobody knows the sum.
    assert spent([answered, dropped], 100, 200) == Spent(7, None, 107, 400)
