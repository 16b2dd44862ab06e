"""Runs by the names that people give them: a folder, a YAML file, a retriever, an interval, a version in MLflow.

shop                            its latest run
shop/20260228T000000Z-20260...  one of its intervals, or the beginning of one
shop@3, shop@current            a version, as `shop-training-set/3` in MLflow; also `main.search.shop_training_set/3`
shop.yaml                       the latest run of the retriever in the file
some/folder/20260228T0000...    a run's folder, wherever it lies; also s3://bucket/...
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synalign import retriever_files
from synalign.errors import RunError, listed, meant
from synalign.registry import names
from synalign.run import Interval, Run, intervals, manifests, root
from synalign.storage import Place
from synalign.storage.place import SCHEMES

if TYPE_CHECKING:
    from synalign.registry.versions import Version

_THREADS = 16
_VERSION = re.compile(r"(?P<retriever>[a-z0-9][a-z0-9_-]*)@(?P<version>\d+|current)")
_MODEL = re.compile(rf"(?P<model>{names.TRAINING_SET.pattern})/(?P<version>\d+|current)")
_NAMED = re.compile(r"(?P<retriever>[a-z0-9][a-z0-9_-]*)(/(?P<beginning>[0-9TZ-]+))?")
_INTERVAL = re.compile(r"\d{8}T\d{6}Z-\d{8}T\d{6}Z")


def find(reference: str) -> Run:
    """Find the run that a reference names, with the configuration it was made with.

    *Latest* is the run that was registered last; where none is registered, that of the latest interval.

    Args:
        reference: A run's folder, a retriever's YAML file, `retriever`, `retriever/interval` (or the beginning of its
            name), `retriever@version` or `retriever-training-set/version`.

    Raises:
        RunError: There is no such run; the message lists those there are.
        RegistryError: There is no such version.
        ConfigurationError: The YAML file is wrong.
    """
    wanted = version(reference)
    if wanted is not None:
        return run_of(wanted)
    if reference.startswith(SCHEMES):
        return Run.open(reference)
    path = Path(reference).expanduser()
    named = _NAMED.fullmatch(reference)
    # A folder of the same name as a retriever, or none at all, is not what `shop` means.
    if path.is_dir() and (named is None or _INTERVAL.fullmatch(path.resolve().name)):
        return Run.open(path.resolve())
    if path.is_file() or path.suffix in (".yaml", ".yml"):
        return latest(retriever_files.load(path).retriever)
    if named is None:
        raise RunError(
            f"{reference!r} names no run.",
            remedy="name a run's folder, a retriever's YAML file, RETRIEVER, RETRIEVER/INTERVAL or RETRIEVER@VERSION",
        )
    return Run.open(_one(named["retriever"], named["beginning"])) if named["beginning"] else latest(named["retriever"])


def version(reference: str) -> Version | None:
    """Find the version that a reference names; None where it names none.

    Raises:
        RegistryError: There is no such version.
    """
    match = _VERSION.fullmatch(reference) or _MODEL.fullmatch(reference)
    if match is None:
        return None
    # Only those who ask for a version wait for MLflow to be imported.
    from synalign.registry import versions
    from synalign.registry.connection import impatient, tracking_uri

    with impatient():
        if match.re is _MODEL:
            return versions.find(match["model"], match["version"], tracking_uri())
        return versions.find_of(match["retriever"], match["version"], tracking_uri())


def latest(retriever: str) -> Run:
    """Return the run of a retriever that was registered last; where none is, that of the latest interval.

    Raises:
        RunError: It has none.
    """
    folders = _folders(retriever)
    with ThreadPoolExecutor(_THREADS) as pool:
        # Object storage answers one after another slowly, and many at once as fast as one.
        found = list(pool.map(_registered, folders))
    registered = [(str(content["started"]), folder) for content, folder in zip(found, folders, strict=True) if content]
    return Run.open(max(registered)[1] if registered else folders[-1])


def run_of(wanted: Version) -> Run:
    """Return the run that made a version.

    Raises:
        RunError: The training set in the run's folder is not that one any more, or the folder is gone.
    """
    # A home that was copied or moved has its runs with it; elsewhere is where it was written.
    written = _interval_of(wanted)
    for folder in (root() / wanted.retriever / Interval.named(wanted.interval).name, written):
        manifest = manifests.read(folder / "assemble" / manifests.NAME)
        if manifest is not None and manifest["tables"]["training_set"]["digest"] == wanted.digest:
            return Run.open(folder)
    raise RunError(
        f"the run of {wanted.name} is not in {written} any more.",
        cause="its interval was refreshed again, or the folder was removed",
        remedy=f"`synalign compare` reads what MLflow keeps of {wanted.name}; the rest is in its run there",
    )


def _interval_of(wanted: Version) -> Place:
    """Return the run's folder above the place where a version was written; that place, where none of its name is."""
    folder = wanted.location
    while folder.name != wanted.interval:
        if folder.parent == folder:
            return wanted.location
        folder = folder.parent
    return folder


def _folders(retriever: str) -> list[Place]:
    """Return the folders of a retriever's runs, by interval; at least one."""
    base = root()
    found = intervals(base / retriever)
    if not found:
        there = [folder.name for folder in base.folders() if intervals(folder)]
        elsewhere = "$SYNALIGN_STORE or $SYNALIGN_HOME names another place"
        named = f"{meant(retriever, there)}there are runs of {listed(there)}"
        raise RunError(
            f"{retriever!r} has no run in {base}.",
            cause=f"the name is misspelt, or {elsewhere}" if there else f"nothing was refreshed yet, or {elsewhere}",
            remedy=named if there else "run `synalign refresh` first",
        )
    return found


def _one(retriever: str, beginning: str) -> Place:
    """Return the one run of a retriever whose interval begins so."""
    folders = _folders(retriever)
    found = [folder for folder in folders if folder.name.startswith(beginning)]
    if len(found) != 1:
        named = f"{len(found)} runs" if found else "no run"
        raise RunError(
            f"{retriever}/{beginning} names {named} of {len(folders)}, must name one.",
            remedy=f"the latest intervals are {listed([folder.name for folder in reversed(found or folders)])}",
        )
    return found[0]


def _registered(folder: Place) -> dict[str, Any] | None:
    return manifests.read(folder / "register" / manifests.NAME)
