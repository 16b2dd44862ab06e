"""`make bench-classification DATA=PATH`: what written texts do to a classifier, on real ones (`banking77`).

Real are 3, 5 or 10 texts per label to train on and as many to choose on; test texts are 30 % of `train.csv`, by hash,
and have no part in anything else. Texts are written by the product's own steps, from *sample* to *align*, with the
embedded writer, which is no language model. All arms are trained as the step *evaluate* trains them, at one mass,
beside what validation texts choose among all masses. Trainings differ in their real texts: each seed draws others, and
lets texts be written for them.

Lines that are done are kept in a file under the benchmarks' home: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from rich.table import Table

from synalign.config import Configuration
from synalign.config.schemes import NONE
from synalign.config.traffic import Ingest
from synalign.evaluation import choice, material
from synalign.evaluation.arms import ARMS, arm_of
from synalign.evaluation.comparison import Resampled
from synalign.evaluation.macro_f1 import MacroF1, true_labels
from synalign.evaluation.measured import CLASSIFICATION
from synalign.evaluation.trial import Outcome, Trainings
from synalign.pool.splits import split_of
from synalign.progress import progress
from synalign.retriever.classifier import classify
from synalign.retriever.recipe import Recipe
from synalign.run import Attempt, Interval, Run
from synalign.storage import Place
from synalign.tables import content_id, schema
from synalign.text.normal import normalise
from tests.benchmarks.datasets import banking_queries, kept_folder
from tests.benchmarks.made_data import data_folder
from tests.benchmarks.measurement import add_size, console
from tests.benchmarks.nights import FIRST, Kept
from tests.benchmarks.nights_steps import night
from tests.benchmarks.nights_tables import Traffic

MASSES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
MASS = 1.0
CHOSEN = "chosen"
SPLITS = Ingest(validation_fraction=0.2, test_fraction=0.3)


class Study(NamedTuple):
    """How much is done.

    Attributes:
        shots: Real texts per label.
        seeds: Draws of real texts.
        batches: Requests per label.
        texts: Asked for in each.
    """

    shots: tuple[int, ...]
    seeds: int
    batches: int
    texts: int

    @property
    def made_with(self) -> str:
        """Tell results of other sizes apart."""
        return f"{self.batches}x{self.texts}"


def main(argv: list[str] | None = None) -> None:
    """Read the command line, do what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets")
    add_size(parser)
    parser.add_argument("--output", type=Path, default=kept_folder() / "classification.jsonl")
    arguments = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    small = arguments.size == "smoke"
    study = Study((2,), 1, 1, 4) if small else Study((3, 5, 10), 3, 2, 12)
    kept = Kept(arguments.output, study.made_with)
    with data_folder(arguments.data, arguments.size) as data:
        if data is None:
            parser.error("--data is needed")
        for shots in study.shots:
            for seed in range(study.seeds):
                if not kept.has(kind="trained", labelled=shots, seed=seed):
                    kept.add({"kind": "trained", "labelled": shots, "seed": seed, **_done(data, study, shots, seed)})
    _print([row for row in kept.rows.values() if row["kind"] == "trained"], study)


def texts(folder: Path, shots: int, seed: int) -> Traffic:
    """Return test texts, and so many texts per label to train and to choose on, drawn by hash.

    Args:
        folder: With `train.csv`.
        shots: Texts per label, of each of both splits; a label that has fewer has them all.
        seed: Another one draws others, of the same splits.
    """
    questions, intents = banking_queries(folder)
    rows = pd.DataFrame({"query": [normalise(question) for question in questions], "document_id": intents.tolist()})
    rows = rows.drop_duplicates().assign(count=1, time=FIRST)
    ids = rows["query"].map(content_id)
    rows["split"] = [split_of(identifier, SPLITS) for identifier in ids]
    rows["drawn"] = [content_id(str(seed), identifier) for identifier in ids]
    place = rows.sort_values("drawn").groupby(["split", "document_id"]).cumcount()
    events = rows[(rows["split"] == "test") | (place.reindex(rows.index) < shots)].drop(columns="drawn")
    labels = sorted(set(rows["document_id"]))
    documents = pd.DataFrame(
        {"document_id": labels, "title": "", "text": [label.replace("_", " ") for label in labels]}
    )
    return Traffic(events.reset_index(drop=True), documents)


def _ingest(attempt: Attempt, traffic: Traffic) -> None:
    """Write the tables of the step *ingest*; splits are those of the events."""
    events, label = traffic.events, traffic.events.groupby("query")["document_id"].first()
    queries = events.groupby("query", as_index=False).agg(
        count=("count", "sum"), first_seen=("time", "min"), last_seen=("time", "max"), split=("split", "first")
    )
    queries["label"] = queries["query"].map(label)
    pairs = events[["query", "document_id", "count", "split"]].copy()
    pairs["pair_id"] = [content_id(*pair) for pair in zip(pairs["query"], pairs["document_id"], strict=True)]
    for frame in (queries, pairs):
        frame["query_id"] = frame["query"].map(content_id)
    for table, frame in (("queries", queries), ("pairs", pairs), ("documents", traffic.documents)):
        names = schema(table).names
        attempt.write(table, pa.Table.from_pandas(frame.sort_values(names[0])[names], preserve_index=False))
    for table in ("rejected", "skips"):
        attempt.write(table, schema(table).empty_table())


def _run(study: Study, labels: int, shots: int, seed: int) -> Run:
    content: dict[str, Any] = {
        "retriever": "banking77", "task": "classification", "schedule": {"start": "2020-01-01"},
        "source": {"kind": "labelled", "path": "banking77"}, "encoder": {"precision": "float32"},
        "sampling": {"batches": labels * study.batches, "label_balance": "equal", "stop_gain": 0.0},
        "generation": {
            "redact": ["email", "phone", "card", "ip", "digits"], "documents_per_batch": study.texts,
            "queries_per_document": 1,
        },
        # A classifier learns from texts and labels alone.
        "negatives": {"per_pair": 0}, "teacher": {"kind": "none"}, "pool": {"nights": 0}, "seed": seed,
    }  # fmt: skip
    base = kept_folder() / f"classification-{study.made_with}" / f"{shots}-{seed}"
    return Run(Configuration.model_validate(content), Interval(FIRST, FIRST + pd.Timedelta(days=1)), Place(base))


def _done(data: Path, study: Study, shots: int, seed: int) -> dict[str, Any]:
    """Let texts be written, train every arm, and return its predictions of the test texts."""
    traffic = texts(data / "banking77", shots, seed)
    run = _run(study, len(traffic.documents), shots, seed)
    figures = night(run, traffic, _ingest)
    made_of = material.read(run)
    made_of = made_of._replace(real=made_of.real.alone(), written=made_of.written.alone())
    trainings = Trainings(made_of, Recipe("adapter"), range(seed, seed + 1), classify, CLASSIFICATION)
    with progress("classification", 1, "trainings") as advance:
        chosen = choice.choose(trainings.climb(MASSES, advance))
        outcomes = {outcome.arm: outcome for outcome in trainings.trial(MASS, advance).outcomes}
        treatment = arm_of(chosen.scheme)
        if chosen.scheme != NONE:
            at_mass = trainings.trial(chosen.mass, advance).outcomes
            outcomes[CHOSEN] = next(outcome for outcome in at_mass if outcome.arm == treatment)
        else:
            outcomes[CHOSEN] = outcomes[treatment]
    relevant = [sorted(labels) for labels in made_of.judged["test"].relevant]
    return {
        "candidates": figures["candidates"], "real": len(made_of.real.query), "mmd2": figures["mmd2"],
        "ess": figures["ess"], "rejected": run.require("screen")["metrics"]["rejected"],
        "scheme": chosen.scheme, "mass": chosen.mass, "reason": chosen.reason, "seconds": figures["seconds"],
        "validation": len(made_of.judged["validation"].ids),
        "strength": {arm: one.step for arm, one in outcomes.items()},
        "test": {"ids": made_of.judged["test"].ids, "relevant": relevant, **_predicted(outcomes)},
    }  # fmt: skip


def _predicted(outcomes: dict[str, Outcome]) -> dict[str, list[int]]:
    found = {arm: one.labels["test"].predicted.tolist() for arm, one in outcomes.items() if one.labels is not None}
    return {arm: found[arm] for arm in (*ARMS, CHOSEN)}


def _print(rows: Sequence[dict[str, Any]], study: Study) -> None:
    """Print accuracy and macro-F1 by shots and arm, in per cent, with 95 % intervals of the difference to control."""
    out = console()
    table = Table("real per label", "texts", "arm", "accuracy", "minus control", "p", "macro-F1", "minus control")
    for shots in study.shots:
        mine = sorted((row for row in rows if row["labelled"] == shots), key=lambda row: row["seed"])
        accuracy, f1 = scored(mine)
        texts_ = f"{mine[0]['real']} real, {np.mean([row['candidates'] for row in mine]):.0f} written"
        for arm in (*ARMS, CHOSEN):
            apart, f1_apart = accuracy.compare(arm, "control"), f1.difference(arm, "control")
            table.add_row(
                str(shots), texts_, arm, f"{100 * accuracy.mean(arm).value:.1f}",
                _points(apart.difference, *apart[1:3]), f"{apart.p_value:.4f}", f"{100 * f1.values[arm]:.1f}",
                _points(*f1_apart),
            )  # fmt: skip
        picked = Counter(f"{row['scheme']} at {row['mass']:g}" for row in mine)
        out.print(
            f"{shots} per label: chosen on {mine[0]['validation']} validation texts: {dict(picked)}", markup=False
        )
    out.print(table)


def scored(rows: Sequence[dict[str, Any]]) -> tuple[Resampled, MacroF1]:
    """Return accuracy and macro-F1 of all arms of some draws, which are judged on the same test texts."""
    predicted = {arm: np.array([row["test"][arm] for row in rows]) for arm in (*ARMS, CHOSEN)}
    relevant = [set(labels) for labels in rows[0]["test"]["relevant"]]
    true = {arm: np.stack([true_labels(one, relevant) for one in found]) for arm, found in predicted.items()}
    right = {arm: (found == true[arm]).astype(np.float64) for arm, found in predicted.items()}
    return Resampled(right), MacroF1(predicted, true)


def _points(difference: float, lower: float, upper: float) -> str:
    return f"{100 * difference:+.1f} [{100 * lower:+.1f}, {100 * upper:+.1f}]"


if __name__ == "__main__":
    main()
