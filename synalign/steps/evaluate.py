"""The step *evaluate* itself: train, choose, judge, and write what came of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synalign.evaluation import choice, figures, gate, material, trial
from synalign.evaluation.arms import ARMS, arms, effective_sample_size
from synalign.retriever.measures import MEASURES
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train
from synalign.run import Attempt
from synalign.tables import schema

if TYPE_CHECKING:
    from synalign.config import Configuration
    from synalign.evaluation.choice import Choice
    from synalign.evaluation.gate import Verdict
    from synalign.evaluation.material import Judged, Material
    from synalign.evaluation.trial import Outcome, Trial
    from synalign.retriever.recipe import Kind

log = logging.getLogger("synalign")


def evaluate(attempt: Attempt) -> None:
    """Write `evaluation` and `choice`.

    Where nothing can be trained or nothing can choose, the configured weights hold and the choice says why.

    Raises:
        InputError: There is no real pair in the split `train`.
        SetupError: The encoder is missing or does not suit the kind of retriever.
    """
    kind = attempt.configuration.evaluation.retriever
    if kind == "none":
        return _without_retriever(attempt, "evaluation.retriever is none")
    made_of = material.read(attempt.run)
    if len(np.unique(made_of.real.document)) < 2:
        return _without_retriever(attempt, "the real train pairs have one document, with none to tell it from")
    configuration = attempt.configuration
    seeds = range(configuration.seed, configuration.seed + configuration.evaluation.seeds)
    done = trial.run(made_of, _recipe(configuration, kind), configuration.alignment.mass, seeds, train)
    chosen = _choose(configuration, done, len(made_of.judged["validation"].ids))
    attempt.metrics.update(_sizes(made_of, configuration))
    verdict = _judge(attempt, done, made_of.judged, chosen)
    _write(attempt, _rows(done, made_of.judged), chosen, verdict)


def _recipe(configuration: Configuration, kind: Kind) -> Recipe:
    settings = configuration.evaluation
    return Recipe(
        retriever=kind,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        threads=configuration.runtime.torch_threads,
        encoder=configuration.encoder,
    )


def _without_retriever(attempt: Attempt, why: str) -> None:
    chosen = choice.configured(attempt.configuration.alignment.scheme, why)
    verdict = gate.judge(attempt.configuration.evaluation.gate, None, chosen.scheme, why)
    _write(attempt, schema("evaluation").empty_table(), chosen, verdict)


def _write(attempt: Attempt, rows: pa.Table, chosen: Choice, verdict: Verdict) -> None:
    attempt.write("evaluation", rows)
    attempt.write("choice", pa.Table.from_pylist([chosen._asdict()]))
    attempt.metrics.update({**chosen._asdict(), "gate": verdict._asdict()})
    log.info("evaluate: %s, %s", chosen.scheme, chosen.reason)
    log.info("evaluate: gate %s: %s", verdict.status, verdict.reason)


def _choose(configuration: Configuration, done: Trial, queries: int) -> Choice:
    if not queries:
        return choice.configured(configuration.alignment.scheme, "no real pair is in the split validation")
    return choice.choose({arm: float(rows.mean()) for arm, rows in done.scores("validation").items()}, queries)


def _judge(attempt: Attempt, done: Trial, judged: dict[str, Judged], chosen: Choice) -> Verdict:
    """Return the gate's verdict; the figures behind it go into the manifest."""
    scores = figures.resampled(done, len(judged["test"].ids))
    if judged["validation"].ids:
        attempt.metrics["validation"] = figures.on_validation(done)
    if scores is not None:
        attempt.metrics["test"] = figures.on_test(done, scores, chosen.scheme)
        attempt.metrics["segments"] = figures.by_segment(done, judged["test"], chosen.scheme)
    missing = "no real pair is in the split test"
    return gate.judge(attempt.configuration.evaluation.gate, scores, chosen.scheme, missing)


def _sizes(made_of: Material, configuration: Configuration) -> dict[str, Any]:
    """Return how many rows, queries and documents a score rests on."""
    weights = arms(made_of.pool, configuration.alignment.mass * len(made_of.real.query), configuration.seed)
    rows = {arm: int(np.count_nonzero(weights[arm])) for arm in ARMS}
    return {
        "retriever": configuration.evaluation.retriever,
        "seeds": configuration.evaluation.seeds,
        "documents_ranked": len(made_of.collection.documents),
        "real_pairs": len(made_of.real.query),
        "queries": {split: len(judged.ids) for split, judged in made_of.judged.items()},
        "synthetic": {
            arm: {"rows": rows[arm], "effective_sample_size": effective_sample_size(weights[arm])}
            for arm in ARMS
            if rows[arm]
        },
    }


def _rows(done: Trial, judged: dict[str, Judged]) -> pa.Table:
    tables = [_outcome(outcome, split, queries) for outcome in done.outcomes for split, queries in judged.items()]
    return pa.concat_tables(tables)


def _outcome(outcome: Outcome, split: str, queries: Judged) -> pa.Table:
    count = len(queries.ids)
    constant = {"arm": outcome.arm, "seed": outcome.seed, "step": outcome.step, "split": split}
    content: dict[str, Any] = {name: [value] * count for name, value in constant.items()}
    content |= {"query_id": queries.ids, "segment": queries.segments.tolist(), "cold_document": queries.cold.tolist()}
    content |= {name: outcome.scores[split][name] for name in MEASURES}
    return pa.table(content).select(schema("evaluation").names).cast(schema("evaluation"))
