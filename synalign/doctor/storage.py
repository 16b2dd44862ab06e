"""Where runs and the response journal lie: all that a step does there is tried, and nothing of it stays."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from synalign import run
from synalign.config import resolve
from synalign.doctor.finding import Case, Skipped
from synalign.errors import ConfigurationError, SetupError
from synalign.storage import Place, StaleError, clouds
from synalign.storage.place import SCHEMES

_REPLACED = " (an object is replaced by create and delete)"
_CONTENT = b"synalign doctor\n"


def home(case: Case) -> str:
    """Write, read back and lock a file where runs are kept: in `$SYNALIGN_STORE`, else in `$SYNALIGN_HOME`.

    Raises:
        SetupError: Runs cannot be kept there.
    """
    try:
        place = run.root()
    except ConfigurationError as error:
        raise SetupError(error.message, cause=error.cause, remedy=error.remedy) from error
    if place.local is None:
        _try_objects(place)
        return f"{place} takes objects, and lets one of two writers win"
    _try_folder(place.local, "set SYNALIGN_HOME to a folder on a local or POSIX-like disk that this user may write to")
    return f"{place} can be written, synced, locked and renamed in"


def journal(case: Case) -> str:
    """Check that answers can be kept where `runtime.journal` says.

    Raises:
        ConfigurationError: The place is malformed.
        SetupError: Runs cannot be kept there.
    """
    place = case.configuration.runtime.journal
    if place is None:
        raise Skipped("kept in the run's folder (runtime.journal is not set)")
    if place.startswith(SCHEMES):
        _try_bucket(place)
        return f"{place} takes objects"
    folder = resolve(place)
    _try_folder(folder, "give runtime.journal a folder that this user may write to")
    return f"{folder} can be written, synced and locked in"


def _try_objects(place: Place) -> None:
    """Do what a step does: put, read back, list, put under a condition, delete."""
    probe, doing = place / f".doctor-{uuid.uuid4().hex[:8]}" / "object", "reached"
    try:
        try:
            doing = "written to"
            tag = probe.create(_CONTENT)
            doing = "read back"
            if probe.read_bytes() != _CONTENT:
                raise OSError("what was read is not what was written")
            doing = "listed"
            if probe.parent.files() != [probe]:
                raise OSError("what was written is not listed")
            doing = "held by one writer"
            _refuses_the_slower(probe, tag)
        finally:
            probe.remove()
    except OSError as error:
        raise SetupError(
            f"{place} cannot be {doing}: {error}.",
            remedy=f"check {_permissions(str(place), deleting=True)}, and the storage must honour conditions on a put",
        ) from error


def _permissions(address: str, *, deleting: bool) -> str:
    """Say what must be right for a step to work in a place of object storage, and what its keys need."""
    scheme = address.partition("://")[0] + "://"
    if scheme == clouds.GOOGLE:
        return f"the bucket and the credentials; they need storage.objects.create, get, list and delete{_REPLACED}"
    if scheme in clouds.SCHEMES:
        return "the container, the account and the credentials; they need the role Storage Blob Data Contributor"
    needed = "s3:PutObject, GetObject, DeleteObject and" if deleting else "s3:PutObject, GetObject and"
    return f"the bucket, AWS_ENDPOINT_URL and the keys; they need {needed} ListBucket"


def _refuses_the_slower(probe: Place, tag: str) -> None:
    """Two writers would both believe they won in a storage that ignores conditions."""
    probe.replace(_CONTENT * 2, tag)
    for slower, refusal in (
        (lambda: probe.create(_CONTENT), FileExistsError),
        (lambda: probe.replace(_CONTENT, tag), StaleError),
    ):
        try:
            slower()
        except refusal:
            continue
        raise OSError("a put whose condition did not hold was not refused")


def _try_bucket(place: str) -> None:
    from synalign.generation.journal import PARTS, place_of
    from synalign.storage.line_objects import SharedObjects

    try:
        SharedObjects(place_of(f"{place.rstrip('/')}/doctor"), PARTS).probe()
    except OSError as error:
        raise SetupError(
            f"runtime.journal == {place!r}, cannot be used: {' '.join(str(error).split())[:300]}",
            remedy=f"check {_permissions(place, deleting=False)}",
        ) from error
    except ConfigurationError as error:
        raise SetupError(error.message, cause=error.cause, remedy=error.remedy) from error


def _try_folder(place: Path, remedy: str) -> None:
    """Do in a folder what a step does: write, sync, lock, rename a file, read it back."""
    doing = "made"
    try:
        with _made(place):
            draft, final = (place / f".doctor-{uuid.uuid4().hex[:8]}{end}" for end in (".draft", ""))
            try:
                doing = "written to"
                with open(draft, "w+b") as file:
                    file.write(_CONTENT)
                    file.flush()
                    doing = "synced"
                    os.fsync(file.fileno())
                    doing = "locked"
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                doing = "renamed in"
                os.replace(draft, final)
                doing = "read back"
                if final.read_bytes() != _CONTENT:
                    raise OSError("what was read is not what was written")
            finally:
                for left in (draft, final):
                    left.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"{place} cannot be {doing}: {error}.", remedy=remedy) from error


@contextmanager
def _made(place: Path) -> Iterator[None]:
    """Make a folder with its parents where they are missing, and remove at the end what was made."""
    missing = [folder for folder in (place, *place.parents) if not folder.exists()]
    place.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for folder in missing:
            folder.rmdir()
