"""Collecting what runs left behind: attempts that nothing refers to any more.

Every attempt at a step has a folder of its own. Kept are those that count, those that a registered version refers to,
and those of a process at work; the others are superseded (whole, and another counts) or half-written. Journals, records
and the embedding cache are nobody's rubbish and are not looked at, nor is anything whose name is no attempt's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from synalign import flow
from synalign.errors import RegistryError, RunError
from synalign.registry.connection import tracking_uri
from synalign.registry.locations import Referred, referred
from synalign.run import LOCK, intervals, manifests, root
from synalign.storage import Place
from synalign.storage.lock import held
from synalign.storage.taken import TakenError

_MANIFEST = manifests.NAME
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*", re.ASCII)


class Rubbish(NamedTuple):
    """An attempt that nothing refers to.

    Attributes:
        folder: Where it lies.
        kind: `superseded`: it is whole, and another counts; `half-written`: the process that made it was killed.
        size: Bytes in it.
    """

    folder: Place
    kind: Literal["superseded", "half-written"]
    size: int


class Found(NamedTuple):
    """What there is to collect.

    Attributes:
        rubbish: By place.
        busy: Folders of intervals that a process works on: they were not looked at.
        removed: Whether the rubbish is gone.
    """

    rubbish: tuple[Rubbish, ...]
    busy: tuple[Place, ...]
    removed: bool

    @property
    def size(self) -> int:
        """Return the bytes of all of it."""
        return sum(each.size for each in self.rubbish)


def collect(retriever: str | None, *, older_than: timedelta, remove: bool) -> Found:
    """Find what nothing refers to any more and, if asked to, remove it.

    An interval is locked while it is looked at and cleared, so that no attempt at work is met.

    Args:
        retriever: Whose runs; None: those of all retrievers.
        older_than: Attempts that began later are left, as somebody may be reading them.
        remove: Whether to remove it.

    Raises:
        RegistryError: MLflow cannot be reached, or does not know what runs say they registered there.
        RunError: There is no such retriever, or a manifest cannot be read.
        StorageError: Storage refuses.
    """
    before = f"{datetime.now(UTC) - older_than:%Y%m%dT%H%M%SZ}"
    rubbish, busy = list[Rubbish](), list[Place]()
    for folder in _retrievers(retriever):
        known = _known(folder)
        for interval in intervals(folder):
            if not any(_rubbish(interval, known, before)):
                continue
            try:
                with held(interval / LOCK) as hold:
                    # Asked again: what was registered and superseded since is referred to as well.
                    for each in list(_rubbish(interval, _known(folder), before)):
                        if remove:
                            hold.check()
                            _remove(each)
                        rubbish.append(each)
            except TakenError:
                busy.append(interval)
    return Found(tuple(rubbish), tuple(busy), remove)


def _retrievers(name: str | None) -> list[Place]:
    there = [folder for folder in root().folders() if _NAME.fullmatch(folder.name)]
    chosen = [folder for folder in there if name in (None, folder.name)]
    if name is not None and not chosen:
        raise RunError(f"{name!r} has no run in {root()}.", remedy="check the name, SYNALIGN_STORE and SYNALIGN_HOME")
    return chosen


def _known(retriever: Place) -> Referred:
    """Return what MLflow refers to of a retriever; it must be the MLflow that its runs were registered in.

    It is if it knows the newest version, by its number and its MLflow run: another has runs of its own, and one that
    was set back to an older backup lacks the newest.

    Raises:
        RegistryError: It is another one, was set back, or cannot be reached.
    """
    known = referred(retriever.name, tracking_uri())
    claimed = [version for folder in intervals(retriever) if (version := _registered(folder)) is not None]
    newest = max((number for number, _ in claimed), default=0)
    if claimed and known.versions.get(str(newest)) not in {run for number, run in claimed if number == newest}:
        raise RegistryError(
            f"MLflow does not know version {newest} of the training set of {retriever.name}, as which a run was "
            "registered: nothing is removed.",
            cause="MLFLOW_TRACKING_URI names another MLflow, it was set back to a backup, or the version was deleted",
            remedy="set MLFLOW_TRACKING_URI as refreshes have it; if the version was deleted, run the step register "
            "of that interval again; to give everything up, delete the runs' folder",
        )
    return known


def _registered(interval: Place) -> tuple[int, str] | None:
    """Version and MLflow run as which an interval was registered."""
    manifest = manifests.read(interval / flow.step("register").name / _MANIFEST)
    if manifest is None:
        return None
    return int(manifest["metrics"]["version"]), str(manifest["metrics"]["run_id"])


def _rubbish(interval: Place, known: Referred, before: str) -> Iterator[Rubbish]:
    """Yield the attempts of an interval that nothing refers to, by one listing of it."""
    sizes: dict[tuple[str, str], int] = {}
    whole: set[tuple[str, str]] = set()
    for file, size in interval.tree():
        parts = str(file).removeprefix(f"{interval}/").split("/")
        if len(parts) < 3 or not manifests.ATTEMPT.fullmatch(parts[1]):
            continue
        attempt = (parts[0], parts[1])
        sizes[attempt] = sizes.get(attempt, 0) + size
        if parts[2:] == [_MANIFEST]:
            whole.add(attempt)
    # On a file system an attempt may have died before its first file.
    empty = {(step.name, folder.name) for step in interval.folders() for folder in step.folders()}
    found = sizes.keys() | {attempt for attempt in empty if manifests.ATTEMPT.fullmatch(attempt[1])}
    for step in sorted({step for step, _ in found}):
        counts = (manifests.read(interval / step / _MANIFEST) or {}).get("attempt")
        for name in sorted(name for other, name in found if other == step):
            if name != counts and name not in known.attempts and name < before:
                kind: Literal["superseded", "half-written"] = "superseded" if (step, name) in whole else "half-written"
                yield Rubbish(interval / step / name, kind, sizes.get((step, name), 0))


def _remove(rubbish: Rubbish) -> None:
    """Killed in between, what is left is half-written, and found again."""
    (rubbish.folder / _MANIFEST).remove()
    rubbish.folder.remove()
