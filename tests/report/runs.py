"""A finished run, made by hand: every table and every figure that a report reads, in the shapes that steps write."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import cycle, islice
from typing import Any

import numpy as np
import pyarrow as pa

from synalign import flow
from synalign.config import Configuration
from synalign.evaluation.ladder import Cell, Ladder, walk
from synalign.prompts.templates import digests
from synalign.report import verdict, warnings
from synalign.report.material import Material
from synalign.run import Attempt, Interval, Run
from synalign.steps.align import align, equal_mass
from synalign.tables import content_id
from tests.handmade import table_of

INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
PLAIN = ("how to sort a list", "read a file", "what is a closure in python", "merge two dicts", "regex for dates")
MOMENT = datetime(2026, 2, 27, tzinfo=UTC)
BATCH, DOCUMENTS = 8, 12
MASSES = {"none": 0.0, "equal": 2.0, "equal_mass": 2.0, "aligned": 2.0}
_BETTER = "better than real pairs alone by more than one standard error on {queries} validation queries: nDCG@10 0.5400"
REASONS = {
    **dict.fromkeys(MASSES, _BETTER),
    "none": "training with written queries is not better than real pairs alone by more than one standard error on "
    "{queries} validation queries: nDCG@10 0.5000, the best other aligned at mass 2 +0.0010 \u00b1 0.0020",
}


class Made:
    """What a run is made of.

    Args:
        real: Real queries: of every ten, seven are train, one is validation, two are test.
        written: Written queries; of every ten, one is rejected.
        texts: What queries, documents and attributes say, over and over.
        seed: Of the vectors.
    """

    def __init__(self, real: int, written: int, texts: Sequence[str] = PLAIN, seed: int = 0) -> None:
        self.real, self.written, self.texts = real, written, texts
        self.random = np.random.default_rng(seed)
        self.query_ids = [content_id("query", str(row)) for row in range(real)]
        self.candidate_ids = [content_id("candidate", str(row)) for row in range(written)]
        self.document_ids = [f"d{row}" for row in range(DOCUMENTS)]
        self.splits = list(islice(cycle(["train"] * 7 + ["validation"] + ["test"] * 2), real))
        self.rejected = [row % 10 == 3 for row in range(written)]

    def said(self, count: int, shift: int = 0) -> list[str]:
        """So many texts."""
        return list(islice(cycle(self.texts), shift, shift + count))

    def vectors(self, ids: Sequence[str], shift: float = 0.0) -> pa.Table:
        """Unit vectors in the plane of their own."""
        rows = self.random.normal(size=(len(ids), 8)) + np.array([2.0 + shift, shift, *([0.0] * 6)])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return pa.table({"id": ids, "embedding": pa.array(rows.astype(np.float32).tolist(), pa.list_(pa.float32()))})

    def tables(self) -> dict[str, pa.Table]:
        """Every table but `weights`, which are found, and those that follow from them."""
        return {**self._ingested(), **self._generated()}

    def _ingested(self) -> dict[str, pa.Table]:
        count, said = self.real, self.said(self.real)
        documents = list(islice(cycle(self.document_ids), count))
        return {
            "queries": pa.table({
                "query_id": self.query_ids, "query": said, "count": [1] * count, "first_seen": [MOMENT] * count,
                "last_seen": [MOMENT] * count, "split": self.splits, "label": pa.nulls(count, pa.string()),
            }),
            "documents": pa.table({
                "document_id": self.document_ids, "title": self.said(DOCUMENTS, 1), "text": self.said(DOCUMENTS, 2),
            }),
            "pairs": pa.table({
                "pair_id": [content_id("pair", name) for name in self.query_ids], "query_id": self.query_ids,
                "query": said, "document_id": documents, "count": [1] * count, "split": self.splits,
            }),
            "rejected": pa.table({
                "source": ["log"] * 4, "row": self.said(4), "rule": ["empty_query"] * 3 + ["malformed_time"],
                "reason": ["the query is empty"] * 3 + ["event_time is missing or not a time"],
            }),
            "query_embeddings": self.vectors(self.query_ids),
            "document_embeddings": self.vectors(self.document_ids),
        }  # fmt: skip

    def _generated(self) -> dict[str, pa.Table]:
        train = [name for name, split in zip(self.query_ids, self.splits, strict=True) if split == "train"]
        shown = train[: BATCH * max(1, min(6, len(train) // BATCH))]
        batches = [content_id("batch", str(row // BATCH)) for row in range(len(shown))]
        names = list(dict.fromkeys(batches))
        requests = [(kind, batch) for batch in names for kind in ("reason", "write")]
        ids = [content_id("request", *request) for request in requests]
        owners = list(islice(cycle(range(len(names))), self.written))
        reasons = ["near_duplicate" if rejected else None for rejected in self.rejected]
        return {
            "demonstrations": pa.table({
                "batch_id": batches, "position": [row % BATCH for row in range(len(shown))], "query_id": shown,
                "role": ["neighbour" if row % BATCH else "anchor" for row in range(len(shown))],
                "variance": [1.0 / (1 + row) for row in range(len(shown))],
            }),
            "requests": pa.table({
                "request_id": ids, "batch_id": [batch for _, batch in requests],
                "kind": [kind for kind, _ in requests], "outcome": ["ok"] * len(ids), "model": ["writer"] * len(ids),
                "prompt_version": ["1"] * len(ids), "tokens_in": [100] * len(ids), "tokens_out": [50] * len(ids),
                "seconds": [0.5] * len(ids),
            }),
            "attributes": pa.table({
                "batch_id": names * 2, "name": ["tone"] * len(names) + ["form"] * len(names),
                "value": self.said(2 * len(names)), "generalised": [False] * (2 * len(names)),
                "request_id": ids[::2] * 2, "support": pa.nulls(2 * len(names), pa.int64()),
            }),
            "candidates": pa.table({
                "candidate_id": self.candidate_ids, "batch_id": [names[owner] for owner in owners],
                "query": self.said(self.written, 3),
                "document_id": list(islice(cycle(self.document_ids), self.written)),
                "request_id": [ids[2 * owner + 1] for owner in owners],
            }),
            "candidate_embeddings": self.vectors(self.candidate_ids, shift=0.6),
            "screening": pa.table({
                "candidate_id": self.candidate_ids,
                "status": ["rejected" if rejected else "accepted" for rejected in self.rejected],
                "reason": pa.array(reasons, pa.string()), "score": [0.97] * self.written,
            }),
        }  # fmt: skip

    def weighed(self) -> pa.Table:
        """Weights without a solver, for runs that are too large to solve in a test."""
        ids = [name for name, rejected in zip(self.candidate_ids, self.rejected, strict=True) if not rejected]
        documents = [row % DOCUMENTS for row, rejected in enumerate(self.rejected) if not rejected]
        skewed = self.random.exponential(size=len(ids))
        weights = [np.full(len(ids), 1.0 / len(ids)), equal_mass(np.array(documents, dtype=str)), skewed / skewed.sum()]
        schemes = ("equal", "equal_mass", "aligned")
        return pa.table({
            "candidate_id": ids * 3, "scheme": [scheme for scheme in schemes for _ in ids],
            "weight": np.concatenate(weights),
        })  # fmt: skip

    def assembled(self, written: pa.Table) -> pa.Table:
        """The training set, from pairs and written queries."""
        pairs, made = self._ingested()["pairs"], written.num_rows
        parts = {
            "pair_id": pairs["pair_id"].to_pylist() + [content_id("made", str(row)) for row in range(made)],
            "query": pairs["query"].to_pylist() + written["query"].to_pylist(),
            "document_id": pairs["document_id"].to_pylist() + written["document_id"].to_pylist(),
            "document": self.said(self.real + made),
            "source": ["real"] * self.real + ["synthetic"] * made,
            "weight": [1.0] * (self.real + made),
            "split": self.splits + ["train"] * made,
            "batch_id": pa.array([None] * self.real + written["batch_id"].to_pylist(), pa.string()),
        }
        return pa.table(parts)


def made_run(
    configuration: Configuration,
    *,
    real: int = 200,
    written: int = 120,
    texts: Sequence[str] = PLAIN,
    scheme: str = "aligned",
    until: str = "report",
    solved: bool = True,
    changed: dict[str, dict[str, Any]] | None = None,
) -> Run:
    """A run whose steps before `until` have finished.

    Args:
        configuration: Its configuration.
        real: Real queries.
        written: Written queries.
        texts: What they say.
        scheme: The weights that were chosen.
        until: The first step that has not finished.
        solved: Whether weights are found by the step *align*; else they are drawn.
        changed: Metrics to replace, by step.
    """
    run, made = Run(configuration, INTERVAL), Made(real, written, texts)
    rows, figures = made.tables(), metrics(made, scheme)
    accepted = rows["candidates"].filter(pa.array([not rejected for rejected in made.rejected]))
    rows |= {
        "evaluation": _scores(made),
        "choice": pa.table({
            "scheme": [scheme], "mass": [MASSES[scheme]], "validated": [True], "reason": [REASONS[scheme]],
        }),
        "training_set": made.assembled(accepted.slice(0, 0) if scheme == "none" else accepted),
    }  # fmt: skip
    for step in flow.before(until):
        outside = digests(configuration) if step.name == "generate" else {}
        attempt = Attempt(run, step, outside)
        attempt.begin()
        if step.name == "align" and solved:
            align(attempt)
        else:
            rows |= {"weights": made.weighed()} if step.name == "align" else {}
            for table in step.writes:
                attempt.write(table, table_of(run, table, rows))
        attempt.metrics.update({**figures.get(step.name, {}), **(changed or {}).get(step.name, {})})
        attempt.commit()
    return run


def _scores(made: Made) -> pa.Table:
    judged = [(name, split) for name, split in zip(made.query_ids, made.splits, strict=True) if split != "train"]
    arms = ("control", "unweighted", "equal", "equal_mass", "aligned", "random_subset")
    rows = [
        {
            "arm": arm, "seed": 0, "step": 10, "query_id": name, "split": split, "segment": "tail",
            "cold_document": False, "ndcg_at_10": 0.5, "mrr_at_10": 0.5, "recall_at_10": 0.5, "recall_at_100": 1.0,
            "accuracy": None, "predicted": None,
        }
        for arm in arms for name, split in judged
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


def metrics(made: Made, scheme: str) -> dict[str, dict[str, Any]]:
    """Figures of every step but *align*'s own."""
    lost, kept = sum(made.rejected), made.written - sum(made.rejected)
    counts = {split: made.splits.count(split) for split in ("train", "validation", "test")}
    example = [{"query": text, "document_id": "d1", "score": 0.97} for text in made.said(3, 3)]
    skewed = {} if made.written < 1000 else {
        "converged": True, "gap": 0.0, "synthetic": kept, "real": counts["train"], "real_held_out": counts["test"],
        "documents": DOCUMENTS, "effective_sample_size": 0.5 * kept, "document_effective_sample_size": 11.0,
        "design_effect": 2.0, "mmd2_before": 0.02, "mmd2_after": 0.01, "mmd2_held_out_before": 0.02,
        "mmd2_held_out_after": 0.01, "mmd2_held_out_p_value": 1e-4, "objective": 0.01, "solver_seconds": 1.0,
        "iterations": 9, "certificate": "float64",
    }  # fmt: skip
    return {
        "ingest": {
            "log_rows": made.real + 4, "log_rows_usable": made.real, "log_rows_outside_window": 0,
            "log_rejected_empty_query": 3, "log_rejected_malformed_time": 1, "document_rows": DOCUMENTS,
            "document_rows_usable": DOCUMENTS,
        },
        "carry": {"found": 0, "carried": 0, "left": {}, "intervals": 0},
        "embed": {"model": "all-MiniLM-L6-v2", "precision": "float32", "revision": "ab" * 32, "loop": "lean"},
        "sample": {
            "batches": 6, "batches_asked_for": 6, "first_variance": 1.0, "last_variance": 0.2, "shown_earlier": 0,
            "train_queries": counts["train"],
        },
        "generate": {
            "mode": "online", "model": "writer", "endpoint": "https://model.example/v1", "requests": 12,
            "journal_hits": 0, "tokens_in": 1200, "tokens_out": 600, "tokens": 1800, "money": 0.0, "currency": "USD",
            "outcomes": {"ok": 12}, "failed_tries": {}, "write_requests_answered": 6, "redactions": {},
            "seconds": 2.0, "attribute_coverage": {},
            "examples": {"over_length": [{"query": text, "document_id": "d2"} for text in made.said(3)]},
            "ledger": {
                "asked_for": made.written + 9, "returned": made.written + 6, "accepted": made.written,
                "rejected": {"over_length": 5}, "not_written": {"not_returned": 4}, "surplus": {"too_many": 1},
                "invalid": {},
            },
        },
        "screen": {
            "candidates": made.written, "accepted": kept, "rejected": {"near_duplicate": lost},
            "examples": {"near_duplicate": example},
            "carried": {"candidates": 0, "accepted": 0, "rejected": {}, "written_again": 0},
        },
        "align": skewed,
        "evaluate": evaluation(scheme, counts),
        "assemble": {
            **{f"real_{split}_rows": count for split, count in counts.items()},
            **{f"real_{split}_weight": float(count) for split, count in counts.items()},
            "scheme": scheme, "mass": MASSES[scheme],
            **({} if scheme == "none" else
               {"synthetic_train_rows": kept, "synthetic_train_weight": 2.0 * counts["train"]}),
        },
        "register": {
            "model": "shop-training-set", "version": "3", "run_id": "ab" * 16, "current": True, "reused": False,
            "url": None, "digest": "cd" * 32, "location": "/runs/shop/training_set", "failures": [],
        },
    }  # fmt: skip


def evaluation(scheme: str, counts: dict[str, int]) -> dict[str, Any]:
    """Figures of the step *evaluate*: the treatment is better than the control by 0.04."""
    measures = {
        "ndcg_at_10": 0.5, "mrr_at_10": 0.45, "recall_at_10": 0.7, "recall_at_100": 0.9, "ndcg_at_10_lower": 0.45,
        "ndcg_at_10_upper": 0.55,
    }  # fmt: skip
    compared = {
        "difference": 0.04, "lower": 0.01, "upper": 0.07, "p_value": 0.01, "relative": 0.08, "seeds": 3,
        "queries": counts["test"],
    }  # fmt: skip
    arms = ("control", "unweighted", "equal", "equal_mass", "aligned", "random_subset")
    better = {**measures, "ndcg_at_10": 0.54}
    test = {**{arm: measures if arm == "control" else better for arm in arms}, "treatment": better}
    test |= {f"{arm}_minus_control": compared for arm in (*arms[1:], "treatment")}
    if scheme == "none":
        nothing = dict.fromkeys(("difference", "lower", "upper", "relative"), 0.0)
        test |= {"treatment": measures, "treatment_minus_control": {**compared, **nothing, "p_value": 1.0}}
    for one, other in (
        ("equal", "unweighted"), ("aligned", "equal"), ("aligned", "equal_mass"), ("aligned", "random_subset"),
    ):  # fmt: skip
        test[f"{one}_minus_{other}"] = {**compared, "difference": 0.0, "lower": -0.02, "upper": 0.02}
    segment = {**compared, "control": 0.5, "treatment": 0.54}
    return {
        "retriever": "adapter", "seeds": 3, "documents_ranked": DOCUMENTS, "real_pairs": counts["train"],
        "queries": {"validation": counts["validation"], "test": counts["test"]}, "scheme": scheme, "validated": True,
        "mass": MASSES[scheme], "arms_mass": MASSES[scheme] or 2.0, "ladder": climbed(scheme),
        "reason": REASONS[scheme].format(queries=counts["validation"]),
        "gate": {"status": "passed", "reason": "not shown to lose more than 0.5 %"}, "test": test,
        "segments": {"head": segment, "tail": segment, "known_document": segment},
        "synthetic": {arm: {"rows": 10, "effective_sample_size": 9.0} for arm in arms[1:]},
        "validation": {arm: {**measures, "step": 10.0} for arm in arms},
    }  # fmt: skip


def climbed(scheme: str) -> list[dict[str, Any]]:
    """Real pairs alone, the chosen scheme at mass 2 and another one, with figures of a ladder."""
    chosen = Cell(MASSES[scheme], scheme)  # type: ignore[arg-type]
    others = [Cell(1.0, "equal"), Cell(2.0, "aligned")]
    means = {Cell(0.0, "none"): 0.5, **dict.fromkeys(others, 0.501), chosen: 0.54 if chosen.mass else 0.5}
    spread = np.random.default_rng(0).normal(0.0, 0.01, (len(means), 3, 40))
    spread -= spread.mean(axis=(1, 2), keepdims=True)
    scores = {cell: mean + spread[row] for row, (cell, mean) in enumerate(sorted(means.items()))}
    return Ladder(walk(scores), scores).figures()


def changed(material: Material, **metrics: dict[str, Any]) -> Material:
    """The same run, had its steps found other figures."""
    other = copy.copy(material)
    other.manifests = copy.deepcopy(material.manifests)
    for step, figures in metrics.items():
        other.manifests[step]["metrics"].update(figures)
    return other


def without(material: Material, *steps: str) -> Material:
    """The same run, had these steps not finished."""
    other = copy.copy(material)
    other.manifests = {step: manifest for step, manifest in material.manifests.items() if step not in steps}
    other.missing = list(steps)
    return other


def evaluated(material: Material, scheme: str, **figures: Any) -> Material:
    """The same run, had these weights been chosen."""
    return changed(material, evaluate={"scheme": scheme, **figures})


def told(material: Material) -> str:
    """The verdict in words."""
    content = verdict.section(material).content
    return " ".join([content["status"], *content["lines"], *content["todo"]])


def ids(material: Material) -> list[str]:
    """Ids of all warnings."""
    return [warning.id for warning in warnings.warnings_of(material)]
