"""Forgetting in a run's folder: tables, the examples in manifests, the report, and attempts that do not count any more.

A step that has the query is written anew as an attempt of its own, which counts from then on; its manifest says under
`forgotten` when rows went, how many, and which digest the table had before. It is not what the step would make of its
input without the query, and does not claim to be: refreshed again, the interval is made anew from the log, from which
ingest leaves the query out.

Steps are taken from the last to the first, since earlier tables tell by which ids later ones are found: killed in
between, the rest is found again.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Set
from datetime import UTC, datetime
from typing import Any, NamedTuple

from synalign import flow
from synalign.querylog.trace import Trace
from synalign.run import Run, manifests
from synalign.run.attempt import attempts, unfinished
from synalign.storage import Place
from synalign.storage.lock import Hold
from synalign.upkeep import rows

FORGOTTEN = "forgotten"
"""Key of a manifest: what was taken out of the step's tables after they were made."""


class Changes(NamedTuple):
    """What went out of a run's folder, or would.

    Attributes:
        rows: By table, of the attempts that count.
        examples: Manifests whose examples quoted the query.
        reports: Whether the run's report was removed.
        attempts: Earlier attempts that were removed.
        kept: Earlier attempts that stay, since a registered version points at them.
    """

    rows: Counter[str]
    examples: int
    reports: bool
    attempts: int
    kept: tuple[Place, ...]

    @property
    def any(self) -> bool:
        """Return whether anything was forgotten."""
        return bool(self.rows or self.examples or self.reports or self.attempts)


def learn(run: Run, trace: Trace, known: rows.Known) -> None:
    """Gather the ids that tell rows without text, from all attempts there are."""
    for step in flow.STEPS:
        for _, manifest, folder in _attempts(run, step):
            for table in manifest["tables"]:
                rows.learn(table, _files(folder, manifest, table), trace, known)


def forget(run: Run, trace: Trace, known: rows.Known, registered: Set[Place], hold: Hold | None) -> Changes:
    """Take the query out of a run's folder.

    Args:
        run: The run.
        trace: What is forgotten.
        known: What `learn` found in all runs.
        registered: Where registered versions say that their training set lies.
        hold: The lock on the run; None: only count.

    Raises:
        RunError: A manifest is damaged.
        TakenError: The lock is another's by now.
        OSError: Storage refuses.
    """
    found: Counter[str] = Counter()
    examples = 0
    affected, ever = _has_any(run, trace, known)
    earlier = {folder for step in flow.STEPS for counts, _, folder in _attempts(run, step) if not counts}
    reports = affected and (run.folder / "report" / manifests.NAME).exists()
    if reports and hold is not None:
        # First: made of all the tables, it is found only as long as they have something.
        hold.check()
        _drop(run.folder / "report")
    for step in reversed(flow.STEPS):
        tag, manifest = _counting(run, step)
        if manifest is None or (step.name == "report" and reports):
            continue
        hits = _hits(manifests.folder(run.folder / step.name, manifest), manifest, trace, known)
        metrics = trace.without(manifest["metrics"])
        examples += metrics != manifest["metrics"]
        found.update({table: sum(files.values()) for table, files in hits.items()})
        if (hits or metrics != manifest["metrics"]) and hold is not None:
            _write(run, step, {**manifest, "metrics": metrics}, tag, hits, trace, known)
    if hold is not None:
        # Also when nothing was found: an earlier try may have been killed just before this.
        _relink(run)
    removed, kept = _clear(run, trace, known, registered, hold, reported=ever)
    # What was written anew just now is told by its rows.
    return Changes(found, examples, reports, len(removed & earlier), kept)


def _attempts(run: Run, step: flow.Step) -> Iterator[tuple[bool, dict[str, Any], Place]]:
    """Whole attempts at a step: whether it counts, its manifest, its folder. Old runs have one, without a folder."""
    place = run.folder / step.name
    counts = manifests.read(place / manifests.NAME)
    if counts is not None:
        yield True, counts, manifests.folder(place, counts)
    for folder in attempts(place):
        manifest = manifests.read(folder / manifests.NAME)
        if manifest is not None and (counts is None or folder != manifests.folder(place, counts)):
            yield False, manifest, folder


def _files(folder: Place, manifest: dict[str, Any], table: str) -> list[Place]:
    return [folder / table / name for name in sorted(manifest["tables"][table]["files"])]


def _hits(folder: Place, manifest: dict[str, Any], trace: Trace, known: rows.Known) -> dict[str, dict[Place, int]]:
    """Rows with the query by table and file; only those that have any."""
    hits: dict[str, dict[Place, int]] = {}
    for table in manifest["tables"]:
        counts = {file: rows.count(table, file, trace, known) for file in _files(folder, manifest, table)}
        if any(counts.values()):
            hits[table] = {file: count for file, count in counts.items() if count}
    return hits


def _has_any(run: Run, trace: Trace, known: rows.Known) -> tuple[bool, bool]:
    """Return whether an attempt that counts has the query, and whether any whole one has."""
    ever = False
    for step in flow.STEPS:
        for counts, manifest, folder in _attempts(run, step):
            if _has(folder, manifest, trace, known):
                ever = True
                if counts:
                    return True, True
    return False, ever


def _write(
    run: Run,
    step: flow.Step,
    manifest: dict[str, Any],
    tag: str,
    hits: dict[str, dict[Place, int]],
    trace: Trace,
    known: rows.Known,
) -> None:
    """Write a step anew without the rows, and let that count: tables first, then manifest, then what points at it."""
    place = run.folder / step.name
    old = manifests.folder(place, manifest)
    now = datetime.now(UTC)
    new = place / f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
    for table in manifest["tables"]:
        for file in _files(old, manifest, table):
            to = new / table / file.name
            if hits.get(table, {}).get(file):
                rows.copy_without(table, file, to, trace, known)
            else:
                _copy(file, to)
    tables = {table: manifests.describe(new / table) for table in manifest["tables"]}
    went = {
        table: {"rows": sum(files.values()), "was": manifest["tables"][table]["digest"]}
        for table, files in hits.items()
    }
    note = {"at": now.isoformat(timespec="seconds"), "tables": went}
    _count(
        place,
        {**manifest, "attempt": new.name, "tables": tables, FORGOTTEN: [*manifest.get(FORGOTTEN, []), note]},
        tag,
    )


def _counting(run: Run, step: flow.Step) -> tuple[str, dict[str, Any] | None]:
    """Return the manifest that counts, and the tag under which it may be replaced: one from before it, or its own."""
    tag = (run.folder / step.name / manifests.NAME).tag()
    return tag or "", run.manifest(step.name)


def _count(place: Place, manifest: dict[str, Any], tag: str) -> None:
    """Let an attempt count with this manifest, if none else does since the tag was read."""
    content = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False).encode()
    if "attempt" in manifest:
        (manifests.folder(place, manifest) / manifests.NAME).write_bytes(content)
    (place / manifests.NAME).replace(content, tag)


def _relink(run: Run) -> None:
    """Let steps that were made from a table before rows went out of it say that they are made from what it is now."""
    for step in flow.STEPS:
        tag, manifest = _counting(run, step)
        if manifest is None:
            continue
        inputs = {table: _now(run, table, digest) for table, digest in manifest["inputs"].items()}
        if inputs != manifest["inputs"]:
            _count(run.folder / step.name, {**manifest, "inputs": inputs}, tag)


def _now(run: Run, table: str, digest: str) -> str:
    """Return the digest of a table after rows went out of it; any other is left as it is."""
    upstream = run.manifest(flow.writer(table).name) or {}
    before = {note["tables"][table]["was"] for note in upstream.get(FORGOTTEN, []) if table in note["tables"]}
    return str(upstream["tables"][table]["digest"]) if digest in before else digest


def _clear(
    run: Run, trace: Trace, known: rows.Known, registered: Set[Place], hold: Hold | None, *, reported: bool
) -> tuple[set[Place], tuple[Place, ...]]:
    """Remove attempts that do not count and have the query; also what was never finished, which may have it."""
    removed, kept = set[Place](), list[Place]()
    for step in reversed(flow.STEPS):
        whole = set[Place]()
        for counts, manifest, folder in _attempts(run, step):
            whole.add(folder)
            # A report shows tables of attempts that may be gone by now: which it was made of is not asked.
            has = (step.name == "report" and reported) or _has(folder, manifest, trace, known)
            if counts or not has:
                continue
            # By its name, which no other has: a home that was moved has its versions with it.
            if any(folder.name in manifests.ATTEMPT.findall(str(one)) for one in registered):
                kept.append(folder)
            else:
                removed.add(folder)
        if hold is not None:
            _remove(run.folder / step.name, removed, whole, hold)
            kept += _clear_old_layout(run, step, registered)
    if hold is not None:
        run.folder.clear_drafts()
    return removed, tuple(kept)


def _remove(step: Place, removed: Set[Place], whole: Set[Place], hold: Hold) -> None:
    """Remove a step's attempts that have the query, and what was never finished."""
    left = [folder for folder in unfinished(step) if folder not in whole]
    # Still held after the look: none of it is of one that took the lock over meanwhile.
    hold.check()
    for folder in [*(one for one in removed if one.parent == step), *left]:
        folder.remove()
    step.clear_drafts()


def _has(folder: Place, manifest: dict[str, Any], trace: Trace, known: rows.Known) -> bool:
    return trace.without(manifest["metrics"]) != manifest["metrics"] or bool(_hits(folder, manifest, trace, known))


def _clear_old_layout(run: Run, step: flow.Step, registered: Set[Place]) -> list[Place]:
    """Tables beside a manifest that names an attempt are of before attempts had folders."""
    manifest = run.manifest(step.name)
    if manifest is None or "attempt" not in manifest:
        return []
    old = [run.folder / step.name / table for table in step.writes]
    for folder in old:
        if folder not in registered:
            folder.remove()
    return [folder for folder in old if folder in registered and folder.exists()]


def _drop(step: Place) -> None:
    """Remove a finished step: what points at it first."""
    (step / manifests.NAME).remove()
    step.remove()


def _copy(file: Place, to: Place) -> None:
    with file.open_input() as source, to.open_output() as out:
        shutil.copyfileobj(source, out, 2**20)
