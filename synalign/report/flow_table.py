"""What went in and what came out: rows of every step, and where each row and each query ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow.compute as pc

from synalign import flow
from synalign.report import reasons
from synalign.report.material import STEPS, Material
from synalign.report.section import Section
from synalign.report.sums import Part, Sum
from synalign.screening.reasons import WRITTEN_AGAIN
from synalign.text.numbers import count, words

EXAMPLES = 3

_ROWS = {
    "queries": "distinct queries",
    "rejected": "rejected rows",
    "query_embeddings": "query vectors",
    "document_embeddings": "document vectors",
    "carried_embeddings": "carried vectors",
    "candidate_embeddings": "vectors",
    "attributes": "attribute values",
    "candidates": "written queries",
    "carried": "carried queries",
    "pool": "queries to judge",
    "screening": "verdicts",
    "negatives": "documents of pairs",
    "scores": "scored documents",
    "evaluation": "scores",
    "training_set": "rows",
}
"""What a table's rows are, where its name does not say it."""

_SPLITS = {"train": "to train on", "validation": "to choose by", "test": "to judge by"}


class StepRows(NamedTuple):
    """One step of the flow.

    Attributes:
        name: The step.
        purpose: What it does.
        state: `done`, `stale` or `missing`.
        wrote: What it wrote, in words.
    """

    name: str
    purpose: str
    state: str
    wrote: str


def section(material: Material) -> Section:
    """Show rows per step, and sums."""
    sums = [
        found
        for make in (_log, _documents, _queries, _ledger, _carried, _negatives, _training_set)
        for found in make(material)
    ]
    return Section(
        "flow", "What went in, what came out", "flow_table.html",
        {"steps": _steps(material), "sums": sums},
    )  # fmt: skip


def _steps(material: Material) -> list[StepRows]:
    found = []
    for step in STEPS:
        state = "missing" if step.name in material.missing else "stale" if step.name in material.stale else "done"
        found.append(StepRows(step.name, step.purpose, state, _wrote(material, step) if state == "done" else ""))
    return found


def _wrote(material: Material, step: flow.Step) -> str:
    if step.name == "register":
        registered = material.metrics("register")
        current = "current" if registered["current"] else "not current"
        return f"{registered['model']} version {registered['version']}, {current}"
    tables: dict[str, Any] = material.manifests[step.name]["tables"]
    return ", ".join(f"{content['rows']:,} {_ROWS.get(table, words(table))}" for table, content in tables.items())


def _log(material: Material) -> Iterator[Sum]:
    """Sum rows of the log: used, rejected by rule, outside the window, or judged not relevant."""
    metrics = material.metrics("ingest")
    if not metrics.get("log_rows"):
        return
    parts = [Part("used", metrics["log_rows_usable"], "kept")]
    if metrics.get("log_rows_outside_window"):
        parts.append(Part("outside the window", metrics["log_rows_outside_window"], "lost", "source.window_days"))
    if metrics.get("log_rows_not_relevant"):
        parts.append(
            Part(
                "not relevant",
                metrics["log_rows_not_relevant"],
                "lost",
                "judgements of 0 or less, and events that are no clicks",
            )
        )
    yield Sum("Rows of the log", [*parts, *_rejected(material, "log")], metrics["log_rows"], "rows in the log")


def _documents(material: Material) -> Iterator[Sum]:
    metrics = material.metrics("ingest")
    if not metrics.get("document_rows"):
        return
    rejected = list(_rejected(material, "document"))
    # A sum with one part says nothing that the table of steps does not.
    if rejected:
        parts = [Part("used", metrics["document_rows_usable"], "kept"), *rejected]
        yield Sum("Documents", parts, metrics["document_rows"], "rows of documents")


def _rejected(material: Material, source: str) -> Iterator[Part]:
    prefix = f"{source}_rejected_"
    for key, number in material.metrics("ingest").items():
        if key.startswith(prefix) and number:
            rule = key.removeprefix(prefix)
            why, examples = reasons.of_rule(material, source, rule, EXAMPLES)
            yield Part(words(rule), number, "lost", why, examples)


def _queries(material: Material) -> Iterator[Sum]:
    """Sum distinct real queries by split."""
    if not material.has("queries"):
        return
    splits = material.table("queries", ["split"])["split"]
    uses = {
        "train": "shown to the model, aligned to and trained on",
        "validation": "choose the weights",
        "test": "held out: they only judge",
    }
    parts = [Part(name, pc.sum(pc.equal(splits, name)).as_py() or 0, "kept", use) for name, use in uses.items()]
    yield Sum("Distinct real queries", parts, len(splits), "distinct queries")


def _ledger(material: Material) -> Iterator[Sum]:
    """Sum every query that was asked for, each in exactly one state."""
    if not material.has("candidates"):
        return
    before, screened = material.metrics("generate")["ledger"], material.metrics("screen")
    rejected: dict[str, int] = dict(before["rejected"])
    for reason, number in screened.get("rejected", {}).items():
        rejected[reason] = rejected.get(reason, 0) + number
    done = bool(screened)
    parts = [
        Part("accepted" if done else "handed on to screening", screened.get("accepted", before["accepted"]), "kept")
    ]
    parts += [_ledger_part(material, "rejected", reason, number) for reason, number in reasons.in_order(rejected)]
    parts += [_ledger_part(material, "not written", reason, number) for reason, number in before["not_written"].items()]
    beside = [_ledger_part(material, "surplus", reason, number) for reason, number in before["surplus"].items()]
    asked = before["asked_for"]
    yield Sum("Queries asked of the model", parts, asked, "asked for", beside)


def _carried(material: Material) -> Iterator[Sum]:
    """Sum every candidate of an earlier interval, each in exactly one state; a first interval has none."""
    carry, screened = material.metrics("carry"), material.metrics("screen")
    if not carry.get("found"):
        return
    done = bool(screened)
    carried = screened["carried"] if done else {"accepted": carry["carried"], "rejected": {}, "written_again": 0}
    left = Counter(carry["left"]) + Counter({WRITTEN_AGAIN: carried["written_again"]})
    parts = [Part("accepted again" if done else "handed on to screening", carried["accepted"], "kept")]
    lost = {"left behind": left, "rejected": carried["rejected"]}
    parts += [
        Part(f"{kind}: {words(reason)}", number, "lost", *reasons.of_carried(material, reason, EXAMPLES))
        for kind, counts in lost.items()
        for reason, number in reasons.in_order(counts)
    ]
    yield Sum("Queries of earlier intervals", parts, carry["found"], "accepted then, or not judged yet")


def _ledger_part(material: Material, kind: str, reason: str, number: int) -> Part:
    why, examples = reasons.of_ledger(material, reason, EXAMPLES)
    return Part(f"{kind}: {words(reason)}", number, "lost", why, examples)


_REFUSED = {
    "chosen": "a user chose it for this query, or a query of the same words was written for it",
    "duplicate": "it says the same as the pair's own document",
    "too_near": "it is so near the query that it may be a right answer",
}
"""Why a proposed document is no negative."""


def _negatives(material: Material) -> Iterator[Sum]:
    """Sum proposed documents that became negatives or were refused; the others lay behind those that were taken."""
    mined = material.metrics("mine")
    if not mined.get("pairs"):
        return
    parts = [Part(f"proposed by {source}", number, "kept") for source, number in mined["sources"].items()]
    refused = [(name, number) for name, number in mined["objections"].items() if number]
    parts += [Part(f"refused: {words(name)}", number, "lost", _REFUSED[name]) for name, number in refused]
    total = sum(part.number for part in parts)
    yield Sum(
        "Hard negatives", parts, total, f"documents proposed for {count(mined['pairs'])} train pairs and looked at"
    )


def _training_set(material: Material) -> Iterator[Sum]:
    """Sum rows of the training set by where they come from, with the weight they carry."""
    if not material.has("training_set"):
        return
    metrics = material.metrics("assemble")
    parts = []
    for source in ("real", "synthetic"):
        for split, use in _SPLITS.items():
            if metrics.get(f"{source}_{split}_rows"):
                weight = metrics[f"{source}_{split}_weight"]
                why = f"{use}; total weight {count(weight)}" if split == "train" else use
                parts.append(Part(f"{source}, {split}", metrics[f"{source}_{split}_rows"], "kept", why))
    total = material.manifests["assemble"]["tables"]["training_set"]["rows"]
    yield Sum("Rows of the training set", parts, total, "rows" if total != 1 else "row")
