"""A plan to begin with: what the registry knows is filled in, what only a person knows is left open and explained."""

from __future__ import annotations

import json
from datetime import date, timedelta

from synalign.experiment.plan import TrainingSet

DAYS = 28
"""Whole weeks, so that every weekday counts the same."""

_TEMPLATE = """\
# A draft of an A/B test of the retriever {retriever}. Every `null` is for you to fill in; then
#   synalign experiment check FILE     says how many units and days it takes
#   synalign experiment start FILE     registers both arms; from then on the plan cannot change
id: {id}
retriever: {retriever}
hypothesis: null          # what should get better, for whom, and why: "New queries find ..., so clicks rise."
owner: {owner}            # who answers for it
replaces: null            # id of the plan that this one changes, if that had started

# Who takes part. ASSIGNMENT.md (beside the experiment in MLflow) says how a unit gets its arm, in any language.
unit: user_id             # what is assigned; in the logs it is the column unit_id
salt: {id}                # any text that no other experiment has
start: {start}         # first day, UTC
stop: {stop}          # last day, UTC, included; whole weeks, because weekdays differ
treatment_share: 0.5      # of the units that take part
ramp:                     # share of traffic that takes part, never falling: look for accidents before all of it
  - {{start: {start}, share: 0.1}}
  - {{start: {full}, share: 1.0}}

arms:
  - name: control         # what serves today (alias champion)
    model_uri: {control_uri}
    training_set: {control_set}
  - name: treatment       # trained on the training set below
    model_uri: {treatment_uri}       # where that retriever is: a URI that your serving side loads
    training_set: {treatment_set}

# What is measured: columns of the outcomes, summed per unit. With a denominator it is a ratio of two sums.
primary: {{name: clicks_per_search, numerator: clicks, denominator: searches, better: higher}}
secondary: []             # explain and decide nothing, such as {{name: searches, numerator: searches}}
guardrails:               # must not get worse by more than their margin, relative to the control
  - {{name: latency, numerator: latency_ms, denominator: searches, better: lower, margin: 0.02}}
covariate: {{days: 14}}     # the same columns in the days before start take out differences between users (CUPED)

# How much evidence. The primary metric before the experiment, from your logs; for a ratio the variance per unit of
# (numerator - mean * denominator) / mean of the denominator. Times (1 - r^2) for a covariate of correlation r. Look at
# whole months if a few people spend most: too small a variance promises too much power, though no false verdict.
baseline:
  mean: null
  variance: null
  units_per_day: null     # new units a day, of all traffic
minimum_detectable_effect: null   # smallest relative change worth finding: 0.02 is 2 %
alpha: 0.05               # of all metrics together, over all daily looks
power: 0.8
srm_threshold: 0.001      # how often a sound split may make the result void, over all daily looks
correction: holm          # of the p-values that are shown for information
stopping: {{rule: pooled_confidence_sequence, primary_share: 0.5}}
# sample_size_per_arm and expected_days are computed.
"""


def draft(
    retriever: str,
    training_set: TrainingSet | None,
    start: date,
    *,
    owner: str | None = None,
    control_uri: str | None = None,
    control_set: TrainingSet | None = None,
    treatment_uri: str | None = None,
) -> str:
    """Write a commented plan in YAML. It is not valid until a person has filled in every `null`.

    Args:
        retriever: The retriever.
        training_set: What the treatment is trained on; None: not known.
        start: First day (UTC).
        owner: Who answers for it; None: not known.
        control_uri: Where the retriever is that serves today; None: not known.
        control_set: What that was trained on; None: not known, or older than SynAlign.
        treatment_uri: Where the retriever is that is tried; None: not known.

    Returns:
        YAML; the same arguments give the same bytes.

    Examples:
        >>> text = draft("shop", None, date(2026, 3, 2), owner="search")
        >>> text.splitlines()[3]
        'id: shop-2026-03-02'
    """
    return _TEMPLATE.format(
        retriever=retriever,
        id=f"{retriever[:52]}-{start}",
        owner=_yaml(owner),
        start=start,
        full=start + timedelta(days=7),
        stop=start + timedelta(days=DAYS - 1),
        control_uri=_yaml(control_uri),
        control_set=_yaml(control_set.model_dump() if control_set else None),
        treatment_uri=_yaml(treatment_uri),
        treatment_set=_yaml(training_set.model_dump() if training_set else None),
    )


def _yaml(value: object) -> str:
    # JSON is YAML, on one line and with every text quoted.
    return json.dumps(value, ensure_ascii=False)
