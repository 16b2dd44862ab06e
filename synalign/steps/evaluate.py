"""The step *evaluate* itself: train, choose, judge, and write what came of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from synalign.evaluation import choice, figures, gate, ladder, material, trial
from synalign.evaluation.arms import ARMS, arm_of, arms, effective_sample_size
from synalign.evaluation.measured import ACCURACY, of_task
from synalign.progress import progress
from synalign.retriever.classifier import classify
from synalign.retriever.measures import MEASURES
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train
from synalign.run import Attempt
from synalign.tables import schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synalign.config import Configuration
    from synalign.evaluation.choice import Choice
    from synalign.evaluation.gate import Verdict
    from synalign.evaluation.material import Judged, Material
    from synalign.evaluation.trial import Outcome, Trial
    from synalign.retriever.recipe import Kind, Teacher

log = logging.getLogger("synalign")


_USED = {True: "used", False: "not used"}


def evaluate(attempt: Attempt) -> None:
    """Write `evaluation` and `choice`.

    Where nothing can be trained or nothing can choose, scheme and mass of the configuration hold and the choice says
    why.

    Raises:
        InputError: There is no real pair in the split `train`.
        SetupError: The encoder is missing or does not suit the kind of retriever.
    """
    kind = attempt.configuration.evaluation.retriever
    if kind == "none":
        return _without_retriever(attempt, "evaluation.retriever is none")
    made_of = _as_taught(material.read(attempt.run), _teacher(attempt.configuration))
    if len(np.unique(made_of.real.document)) < 2:
        return _without_retriever(attempt, "the real train pairs have one document, with none to tell it from")
    attempt.metrics.update(_sizes(made_of, attempt.configuration))
    chosen, done = _trained(attempt, made_of, _recipe(attempt.configuration, kind, made_of))
    verdict = _judge(attempt, done, made_of.judged, chosen)
    _write(attempt, _rows(done, made_of), chosen, verdict)


def _trained(attempt: Attempt, made_of: Material, recipe: Recipe) -> tuple[Choice, Trial]:
    """Choose scheme and mass on validation queries, and train every arm at that mass."""
    configuration = attempt.configuration
    masses, count = configuration.evaluation.masses, configuration.evaluation.seeds
    measured, seeds = of_task(configuration.task), range(configuration.seed, configuration.seed + count)
    teach = classify if measured.name == ACCURACY else train
    trainings = trial.Trainings(made_of, recipe, seeds, teach, measured)
    # At most: of the trial's arms some are trained by the time it begins.
    with progress("evaluate", ladder.trainings(masses, count) + (len(ARMS) + 2) * count, "trainings") as advance:
        why = _why_not(len(made_of.judged["validation"].ids))
        if why:
            chosen = choice.configured(configuration.alignment, why)
        else:
            if trainings.taught:
                teaching = trainings.settle(advance)
                attempt.metrics["teaching"] = teaching.figures()
                log.info("evaluate: hard negatives and teacher %s: %s", _USED[teaching.used], teaching.reason)
            climbed = trainings.climb(masses, advance)
            chosen = choice.choose(climbed)
            attempt.metrics["ladder"] = climbed.figures()
        mass = chosen.mass or configuration.alignment.mass
        attempt.metrics["arms_mass"] = mass
        return chosen, trainings.trial(mass, advance, arm_of(chosen.scheme))


def _why_not(queries: int) -> str:
    """Say why validation queries cannot choose; empty where they can."""
    if not queries:
        return "no real pair is in the split validation"
    return "one validation query has no standard error" if queries < ladder.LEAST_QUERIES else ""


def _recipe(configuration: Configuration, kind: Kind, made_of: Material) -> Recipe:
    settings, teacher = configuration.evaluation, _teacher(configuration)
    # A teacher other than the encoder has scored pairs beside their negatives: without any it has nothing to teach.
    taught = teacher != "scores" or made_of.real.scores is not None
    return Recipe(
        retriever=kind,
        steps=settings.steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        threads=configuration.runtime.torch_threads,
        encoder=configuration.encoder,
        teacher=teacher if taught else "none",
        temperature=configuration.teacher.temperature,
    )


def _teacher(configuration: Configuration) -> Teacher:
    """Return who teaches the retriever: nobody a classifier, nor the encoder one that begins as the encoder."""
    teacher = configuration.teacher
    if configuration.task == "classification":
        return "none"
    if teacher.scores_anew:
        return "scores"
    return "encoder" if teacher.kind == "encoder" and configuration.evaluation.retriever == "static" else "none"


def _as_taught(made_of: Material, teacher: Teacher) -> Material:
    """Return pairs alone where nobody teaches: hard negatives in a contrastive loss were not seen to help."""
    if teacher != "none":
        return made_of
    return made_of._replace(real=made_of.real.alone(), written=made_of.written.alone())


def _without_retriever(attempt: Attempt, why: str) -> None:
    chosen = choice.configured(attempt.configuration.alignment, why)
    verdict = gate.judge(attempt.configuration.evaluation.gate, None, arm_of(chosen.scheme), why)
    _write(attempt, schema("evaluation").empty_table(), chosen, verdict)


def _write(attempt: Attempt, rows: pa.Table, chosen: Choice, verdict: Verdict) -> None:
    attempt.write("evaluation", rows)
    attempt.write("choice", pa.Table.from_pylist([chosen._asdict()]))
    attempt.metrics.update({**chosen._asdict(), "gate": verdict._asdict()})
    log.info("evaluate: %s, %s", chosen.scheme, chosen.reason)
    log.info("evaluate: gate %s: %s", verdict.status, verdict.reason)


def _judge(attempt: Attempt, done: Trial, judged: dict[str, Judged], chosen: Choice) -> Verdict:
    """Return the gate's verdict; the figures behind it go into the manifest."""
    words = of_task(attempt.configuration.task).words
    scores, treatment = figures.resampled(done, len(judged["test"].ids)), arm_of(chosen.scheme)
    if judged["validation"].ids:
        attempt.metrics["validation"] = figures.on_validation(done)
    if scores is not None:
        attempt.metrics["test"] = figures.on_test(done, scores, treatment)
        attempt.metrics["segments"] = figures.by_segment(done, judged["test"], treatment)
    missing = "no real pair is in the split test"
    return gate.judge(attempt.configuration.evaluation.gate, scores, treatment, missing, words)


def _sizes(made_of: Material, configuration: Configuration) -> dict[str, Any]:
    """Return how many rows, queries and documents a score rests on."""
    # Neither depends on the mass.
    weights = arms(made_of.pool, 1.0, configuration.seed)
    rows = {arm: int(np.count_nonzero(weights[arm])) for arm in ARMS}
    return {
        "retriever": configuration.evaluation.retriever,
        "measure": of_task(configuration.task).name,
        "teacher": _teacher(configuration),
        "negatives": 0 if made_of.real.negatives is None else made_of.real.negatives.shape[1],
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


def _rows(done: Trial, made_of: Material) -> pa.Table:
    return pa.concat_tables(
        _outcome(outcome, split, queries, made_of.document_ids)
        for outcome in done.outcomes
        for split, queries in made_of.judged.items()
    )


def _outcome(outcome: Outcome, split: str, queries: Judged, labels: Sequence[str]) -> pa.Table:
    count = len(queries.ids)
    constant = {"arm": outcome.arm, "seed": outcome.seed, "step": outcome.step, "split": split}
    content: dict[str, Any] = {name: [value] * count for name, value in constant.items()}
    content |= {"query_id": queries.ids, "segment": queries.segments.tolist(), "cold_document": queries.cold.tolist()}
    content |= {name: outcome.scores[split][name] for name in MEASURES}
    content |= dict.fromkeys(("accuracy", "predicted"), [None] * count)
    if outcome.labels is not None:
        content["accuracy"] = outcome.scores[split][ACCURACY]
        content["predicted"] = [labels[place] for place in outcome.labels[split].predicted.tolist()]
    return pa.table(content).select(schema("evaluation").names).cast(schema("evaluation"))
