"""The step *teach*: a teacher's scores of every train pair and its hard negatives, and what they object to."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synalign.errors import EndpointError
from synalign.progress import progress
from synalign.run import Attempt, Run, some_rows
from synalign.steps import teacher
from synalign.tables import content_id, schema
from synalign.teaching.objections import FALSE_NEGATIVE, LOSES, false_negatives, loses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.config import Teacher
    from synalign.progress import Advance
    from synalign.teaching.teachers import Scorer

log = logging.getLogger("synalign")

PAIRS_AT_ONCE = 20_000
"""Pairs whose documents are read together: about 100,000 texts."""


def outside(run: Run) -> dict[str, str]:
    """Return digests of what the teacher is, beside its settings: see `synalign.steps.job.main`.

    Of a cross-encoder, its weights; of a judge, its own settings and its prompt.
    """
    configuration = run.configuration
    if configuration.teacher.kind == "cross_encoder":
        from synalign.teaching.teachers import weights_digest

        return {"teacher": weights_digest(configuration.teacher)}
    return teacher.digests(configuration) if configuration.teacher.kind == "judge" else {}


def teach(attempt: Attempt) -> None:
    """Write `scores`.

    A pair that the ceiling of a teacher's budget leaves no room for has no scores; what was scored is in the journal.

    Raises:
        EndpointError: The teacher's endpoint refuses, or the ceiling leaves room for nothing.
        GenerationError: It cannot be reached or used.
        SetupError: The teacher is missing or is no reranker.
    """
    settings, rows = attempt.configuration.teacher, attempt.run.read("negatives")
    # A pair's rows stand together, its own document first.
    starts = np.flatnonzero(rows["rank"].to_numpy() == 0)
    with progress("teach", len(starts), "pairs") as advance:
        scores, spent = _scores(attempt.run, settings, rows, starts, advance)
    attempt.metrics.update(spent)
    _judge_ceiling(scores, spent, attempt.run)
    objections = _objections(scores, starts, settings) if settings.kind != "none" else [None] * len(scores)
    missing = pa.nulls(len(scores), pa.float64()) if settings.kind == "none" else pa.array(scores, from_pandas=True)
    written = rows.select(["pair_id", "rank", "document_id"])
    written = written.append_column("score", missing).append_column("objection", pa.array(objections, pa.string()))
    attempt.write("scores", written.select(schema("scores").names))
    counts = Counter(objection for objection in objections if objection)
    attempt.metrics.update({"teacher": settings.kind, "pairs": len(starts), "objections": dict(sorted(counts.items()))})
    log.info("teach: %s scored %d pairs, objects to %s", settings.kind, len(starts), dict(counts) or "nothing")


def _scores(
    run: Run, settings: Teacher, rows: pa.Table, starts: NDArray[np.int64], advance: Advance
) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Return the teacher's score of each row, and what they cost; the cosines where it is the encoder, or nobody."""
    if not settings.scores_anew:
        return np.asarray(rows["cosine"].to_numpy()), {}
    with teacher.scorer(run) as scorer:
        return _scored(run, scorer, rows, starts, advance), scorer.spent


def _judge_ceiling(scores: NDArray[np.float64], spent: dict[str, Any], run: Run) -> None:
    """Warn where documents have no score; stop where the ceiling left room for none at all.

    Raises:
        EndpointError: No document has a score, for want of room.
    """
    if not spent.get("not_scored"):
        return
    named = teacher.ceiling(run.configuration)
    if spent["over_budget"] and not np.isfinite(scores).any():
        raise EndpointError(
            f"the ceiling of {named} leaves no room for the teacher's scores.",
            cause="it is lower than the most that one request can cost, or the steps before have spent it",
            remedy=f"raise the ceiling of {named}, or set teacher.kind to encoder, and run the step again",
        )
    log.warning(
        "teach: %d of %d documents have no score%s", spent["not_scored"], len(scores),
        f": the ceiling of {named} is reached; raise it and run the step again, which asks only for the rest"
        if spent["over_budget"] else ", and are learnt without one",
    )  # fmt: skip


def _scored(
    run: Run, scorer: Scorer, rows: pa.Table, starts: NDArray[np.int64], advance: Advance
) -> NDArray[np.float64]:
    """Have a teacher score every row, so many pairs at a time."""
    queries = _queries(run)
    ends = _ends(starts, rows.num_rows)
    scores = np.empty(rows.num_rows)
    for first in range(0, len(starts), PAIRS_AT_ONCE):
        some = slice(first, first + PAIRS_AT_ONCE)
        _score(run, scorer, rows, queries, list(zip(starts[some], ends[some], strict=True)), scores, advance)
    return scores


def _score(
    run: Run,
    scorer: Scorer,
    rows: pa.Table,
    queries: dict[str, str],
    pairs: list[tuple[int, int]],
    scores: NDArray[np.float64],
    advance: Advance,
) -> None:
    """Score the documents of some pairs, each from one row to another."""
    names = rows["document_id"].slice(pairs[0][0], pairs[-1][1] - pairs[0][0]).to_pylist()
    found = some_rows.having(run, "documents", "document_id", names, ["document_id", "title", "text"])
    texts = {row["document_id"]: (row["title"], row["text"]) for row in found.to_pylist()}
    asked = [
        (
            queries[rows["pair_id"][start].as_py()],
            [texts[name] for name in rows["document_id"].slice(start, end - start).to_pylist()],
        )
        for start, end in pairs
    ]
    for (start, end), found in zip(pairs, scorer.scores(asked, advance), strict=True):
        scores[start:end] = found


def _queries(run: Run) -> dict[str, str]:
    """Return the query of each pair, real or written."""
    pairs = run.read("pairs", ["pair_id", "query", "split"])
    pairs = pairs.filter(pc.equal(pairs["split"], "train"))
    queries = dict(zip(pairs["pair_id"].to_pylist(), pairs["query"].to_pylist(), strict=True))
    pool = run.read("pool", ["query", "document_id"])
    for query, document in zip(pool["query"].to_pylist(), pool["document_id"].to_pylist(), strict=True):
        queries[content_id(query, document)] = query
    return queries


def _ends(starts: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Return where the rows of each pair end, by where they start."""
    return np.append(starts, rows)[1:]


def _objections(scores: NDArray[np.float64], starts: NDArray[np.int64], settings: Teacher) -> list[str | None]:
    """Return for each row what the teacher objects to, if it does."""
    objections: list[str | None] = [None] * len(scores)
    for start, end in zip(starts.tolist(), _ends(starts, len(scores)).tolist(), strict=True):
        positive, negatives = float(scores[start]), scores[start + 1 : end]
        if loses(positive, negatives):
            objections[start] = LOSES
        for place in np.flatnonzero(false_negatives(positive, negatives, settings.relative_margin)).tolist():
            objections[start + 1 + place] = FALSE_NEGATIVE
    return objections
