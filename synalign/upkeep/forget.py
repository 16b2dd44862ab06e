"""Forgetting a query everywhere that SynAlign keeps it, and saying where it stays."""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import Any, NamedTuple

from synalign.config import Configuration
from synalign.errors import ArgumentError, BusyError, RegistryError, RunError
from synalign.generation.provider_record import RECORD, Record
from synalign.querylog import tombstones
from synalign.querylog.trace import Trace, redacted
from synalign.registry.connection import tracking_uri
from synalign.registry.holdings import Holding, Matchers, holdings
from synalign.registry.traces import forget_traces
from synalign.run import Interval, Run, intervals, root
from synalign.storage import Place
from synalign.upkeep import journals, previews, rows, runs, vectors

log = logging.getLogger("synalign")

_RETRIEVER = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)


class Forgotten(NamedTuple):
    """What was forgotten, or would be.

    Attributes:
        listed: Whether the query was on the list before, by which ingest leaves it out.
        runs: Runs that had it.
        rows: Rows by table.
        examples: Manifests whose examples quoted it.
        reports: Reports that were removed.
        attempts: Earlier attempts that were removed.
        answers: Answers in journals.
        vectors: Rows of the embedding cache.
        traces: Traces in MLflow.
        held: Versions that still hold it.
    """

    listed: bool
    runs: tuple[str, ...]
    rows: dict[str, int]
    examples: int
    reports: int
    attempts: int
    answers: int
    vectors: int
    traces: int
    held: tuple[Holding, ...]

    @property
    def plain(self) -> dict[str, Any]:
        """Return the numbers as JSON, for programs."""
        held = [
            {**holding._asdict(), "location": str(holding.location) if holding.location else None}
            for holding in self.held
        ]
        return {**self._asdict(), "held": held}


def forget(query: str, retriever: str = tombstones.ALL, *, exact: bool = False, dry: bool = False) -> Forgotten:
    """Take a query out of everything that is SynAlign's, and have ingest leave it out from now on.

    In this order: the list that ingest reads, journals, the embedding cache, traces in MLflow, then run by run. All of
    it may be done again, so a run that was killed is finished by the next. Registered versions are never changed.

    Args:
        query: What the user typed, in any case and spacing.
        retriever: Name of the one it is forgotten for, or `all`.
        exact: Only texts that are the query, not those that have it within them.
        dry: Change nothing, count all.

    Raises:
        ArgumentError: Nothing is left of the query when it is normalised, or the retriever's name is none.
        RegistryError: MLflow cannot be reached: which sets must stay could not be told.
        BusyError: A step of one of the runs is at work, or waits for batches at a provider.
        RunError: A run's folder is damaged.
        StorageError: Storage refuses.
    """
    if not _RETRIEVER.fullmatch(retriever):
        raise ArgumentError("retriever", retriever, "must be a retriever's name, or `all`")
    found = [_open(folder) for folder in _folders(retriever)]
    trace = Trace(query, exact=exact, shown=_shown(query, found))
    held = _versions(retriever, trace)
    listed = tombstones.is_there(retriever, trace)
    if not dry:
        for run in found:
            _require_no_batches(run)
        tombstones.add(retriever, trace)
    known = rows.nothing_known(trace)
    for run in found:
        runs.learn(run, trace, known)
    answers = sum(journals.forget(place, known.shown, trace, dry=dry) for place in _journals(found))
    answers += previews.forget(retriever, dry=dry)
    gone = vectors.forget(known.texts, dry=dry)
    places = {holding.location for holding in held if holding.location is not None}
    # Before the tables that tell which batches showed it.
    wanted = None if retriever == tombstones.ALL else retriever
    traces = forget_traces(wanted, tracking_uri(), known.batches, trace.in_json, dry=dry)
    changes = {run.folder: _from(run, trace, known, places, dry=dry) for run in found}
    return Forgotten(
        listed,
        tuple(f"{place.parent.name}/{place.name}" for place, change in changes.items() if change.any),
        dict(sum((change.rows for change in changes.values()), Counter[str]())),
        sum(change.examples for change in changes.values()),
        sum(change.reports for change in changes.values()),
        sum(change.attempts for change in changes.values()),
        answers,
        gone,
        traces,
        tuple(holding for holding in held if holding.files),
    )


def _from(run: Run, trace: Trace, known: rows.Known, places: set[Place], *, dry: bool) -> runs.Changes:
    if dry:
        return runs.forget(run, trace, known, places, None)
    with run.lock() as hold:
        changes = runs.forget(run, trace, known, places, hold)
    log.info("forget: %s is done", run.folder)
    return changes


def _folders(retriever: str) -> list[Place]:
    """Folders of a retriever's runs, or of everybody's."""
    of = root().folders() if retriever == tombstones.ALL else [root() / retriever]
    return [folder for one in of for folder in intervals(one)]


def _open(folder: Place) -> Run:
    """Return a run, also one whose configuration cannot be read: only the place of its journal matters here."""
    try:
        return Run.open(folder)
    except RunError as error:
        log.warning("forget: a journal outside of %s is not looked through: %s", folder, error.message)
    anywhere = {"kind": "beir", "path": "unknown"}
    content = {"retriever": folder.parent.name, "schedule": {"start": "2000-01-01"}, "source": anywhere}
    run = Run(Configuration.model_validate(content), Interval.named(folder.name), folder.parent.parent)
    run.folder = folder
    return run


def _shown(query: str, found: list[Run]) -> set[str]:
    """Return how prompts of these runs showed the query."""
    settings = [run.configuration.generation for run in found]
    return {redacted(query, each.redact, each.phone_regions) for each in settings}


def _require_no_batches(run: Run) -> None:
    """Refuse a run that waits for a provider's batch: it holds no lock, and answers arrive later.

    Raises:
        BusyError: It does.
    """
    place = run.folder / RECORD
    if not place.exists():
        return
    record = Record(place)
    waiting = record.open()
    record.close()
    if waiting:
        raise BusyError(
            f"{run.folder} waits for {len(waiting)} batches at the provider, whose answers may quote the query.",
            remedy="nothing was forgotten: let the refresh of that interval end first; if it was given up, remove "
            f"{place}, and what it waited for is not fetched any more",
        )


def _journals(found: list[Run]) -> list[str]:
    """Each journal once: a retriever's runs can share one."""
    return list(dict.fromkeys(run.journal for run in found))


def _versions(retriever: str, trace: Trace) -> list[Holding]:
    def in_set(files: list[Place]) -> bool:
        known = rows.nothing_known(trace)
        return any(rows.count("training_set", file, trace, known) for file in files)

    # A report is one text, in which a query never stands alone.
    in_report = Trace(trace.query).in_ if trace.exact else trace.in_
    try:
        wanted = None if retriever == tombstones.ALL else retriever
        return holdings(wanted, tracking_uri(), Matchers(in_set, trace.in_json, in_report))
    except RegistryError as error:
        raise RegistryError(
            f"nothing was forgotten: {error.message}",
            cause=error.cause or "which registered versions hold the query could not be told",
            remedy=error.remedy,
        ) from error
