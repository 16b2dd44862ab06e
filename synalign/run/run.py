"""A run: one interval of one retriever, its finished tables, and the lock on it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.dataset as pads

from synalign import flow, storage, tables
from synalign.config import Configuration, encoder, resolve, schemes, teacher
from synalign.errors import BusyError, RunError, StorageError
from synalign.run import driver_memory, manifests
from synalign.run.interval import Interval
from synalign.storage import Place
from synalign.storage.lock import Hold, held
from synalign.storage.place import SCHEMES
from synalign.storage.taken import TakenError

if TYPE_CHECKING:
    import pyarrow as pa

CONFIGURATION = "configuration.json"
LOCK = ".lock"
_INTERVAL = re.compile(r"\d{8}T\d{6}Z-\d{8}T\d{6}Z")

_Manifests = dict[str, dict[str, Any]]


def root() -> Place:
    """Return the folder of all runs."""
    return storage.base() / "runs"


def intervals(retriever: Place) -> list[Place]:
    """Return the folders of a retriever's runs, by interval.

    Raises:
        StorageError: Storage refuses.
    """
    try:
        return [folder for folder in retriever.folders() if _INTERVAL.fullmatch(folder.name)]
    except OSError as error:
        raise StorageError(f"{retriever} cannot be read: {error}.", remedy="mend the storage, and ask again") from error


def finished_files(run: Place, table: str) -> list[Place]:
    """Return the Parquet files of a finished table in a run's folder, whatever its settings were.

    Raises:
        RunError: The step that writes it has not finished.
    """
    step = run / flow.writer(table).name
    manifest = manifests.read(step / manifests.NAME)
    if manifest is None:
        raise RunError(f"{step} is not finished.", remedy="refresh that interval again, or remove its folder")
    return manifests.files(step, manifest, table)


class Earlier(NamedTuple):
    """A table of an interval before this one.

    Attributes:
        interval: Name of the interval.
        folder: Where the table lies.
        digest: Its digest.
        run: The folder of its run.
    """

    interval: str
    folder: Place
    digest: str
    run: Place


class Run:
    """One interval of one retriever.

    Args:
        configuration: The retriever's configuration.
        interval: The data interval.
        base: Folder of all runs; defaults to `root()`.
    """

    def __init__(self, configuration: Configuration, interval: Interval, base: PathLike[str] | None = None) -> None:
        self.configuration = configuration
        self.interval = interval
        self.folder = (root() if base is None else Place(base)) / configuration.retriever / interval.name

    @classmethod
    def open(cls, folder: PathLike[str] | str) -> Run:
        """Open the run in a folder, with the configuration that was last used there; no YAML file is needed.

        Raises:
            RunError: It is no run's folder, or one whose configuration cannot be read.
        """
        where = Place(folder)
        place = where / CONFIGURATION
        try:
            kept = json.loads(place.read_bytes())
            configuration = Configuration.model_validate(kept["configuration"]).with_templates(kept["templates"])
        except FileNotFoundError as error:
            raise RunError(
                f"{place} is not there.",
                cause="the folder is no run's, or no step of the run has begun since SynAlign keeps configurations",
                remedy="name a folder like <base>/runs/<retriever>/<interval>, or run `synalign refresh` once more",
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{place} cannot be read: {error}.",
                cause="it was edited, or written by another version of SynAlign",
                remedy="run `synalign refresh` once more: it is written anew, and finished steps are kept",
            ) from error
        run = cls(configuration, Interval.named(where.name), where.parent.parent)
        # A folder that was copied elsewhere may lie under another name than its retriever's.
        run.folder = where
        return run

    def keep_configuration(self) -> None:
        """Leave the configuration, and its own prompt templates, beside the steps; a reader sees all of it or none."""
        content = {
            "configuration": self.configuration.model_dump(mode="json"),
            "templates": dict(self.configuration.templates),
        }
        (self.folder / CONFIGURATION).write_text(json.dumps(content, indent=2, ensure_ascii=False))

    @cached_property
    def journal(self) -> str:
        """Place of the response journal, as `Journal` takes it. It outlives attempts: what was paid for stays paid.

        In the run's folder, or where `runtime.journal` says, a retriever's runs together.
        """
        place = self.configuration.runtime.journal
        if place is None:
            return str(self.folder / "journal")
        retriever = self.configuration.retriever
        if place.startswith(SCHEMES):
            scheme, _, rest = place.partition("://")
            return f"{scheme}://{rest.rstrip('/')}/{retriever}"
        return str(resolve(place) / retriever)

    def manifest(self, step: str) -> dict[str, Any] | None:
        """Return the manifest of the attempt that counts, or None where the step is not finished."""
        return manifests.read(self.folder / step / manifests.NAME)

    def step_folder(self, step: str) -> Place:
        """Return where the attempt lies that counts.

        Raises:
            RunError: The step has not finished.
        """
        manifest = self.manifest(step)
        if manifest is None:
            raise self._unfinished(step)
        return manifests.folder(self.folder / step, manifest)

    def table_folder(self, table: str) -> Place:
        """Return the folder of a finished table's Parquet files.

        Raises:
            RunError: The step that writes it has not finished.
        """
        return self.step_folder(flow.writer(table).name) / table

    def files(self, table: str) -> list[Place]:
        """Return the Parquet files of a finished table, in the order of the rows; other files are ignored.

        Raises:
            RunError: The step that writes it has not finished, or belongs to other settings.
        """
        step = flow.writer(table).name
        return manifests.files(self.folder / step, self.require(step), table)

    def dataset(self, table: str) -> pads.Dataset:
        """Open a finished table as a dataset, to read only some of its rows or columns.

        Raises:
            RunError: The step that writes it has not finished, or belongs to other settings.
        """
        return manifests.dataset(self.files(table))

    def read(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """Read a finished table, rows in their stored order.

        Raises:
            RunError: The step that writes it has not finished, or belongs to other settings; or the table is too large
                for the driver (`runtime.driver_memory_gib`).
        """
        files = self.files(table)
        what = f"table {table!r} of {self.folder}"
        driver_memory.require(files, columns, what, self.configuration.runtime.driver_memory_gib)
        return manifests.with_current_schemes(manifests.read_table(files, columns))

    def digest(self, table: str) -> str:
        """Return the digest of a finished table."""
        return self.digests([table])[table]

    def digests(self, names: Iterable[str]) -> dict[str, str]:
        """Digests of finished tables."""
        known: _Manifests = {}
        return {table: self._digest(table, known) for table in names}

    def rows(self, table: str) -> int:
        """Return the number of rows of a finished table."""
        return int(self.require(flow.writer(table).name)["tables"][table]["rows"])

    def require(self, step: str) -> dict[str, Any]:
        """Return a step's manifest, after checking that its settings and input tables are the present ones.

        Raises:
            RunError: The step has not finished, or what it was made from has changed since.
        """
        return self._require(step, {})

    def fingerprint(self, step: str) -> str:
        """SHA-256 of all that defines a step's output beside its inputs: settings, interval and table schemas."""
        chosen = flow.step(step)
        content = {
            "step": step,
            "interval": self.interval.name,
            "settings": _as_fingerprinted(self.settings(chosen)),
            "schemas": {table: str(tables.schema(table)) for table in chosen.writes},
            "format": manifests.FORMAT,
        }
        return hashlib.sha256(manifests.canonical(content)).hexdigest()

    def settings(self, step: flow.Step) -> dict[str, Any]:
        """Return the settings that define a step's tables."""
        whole = self.configuration.model_dump(mode="json")
        return {key: value for key, value in whole.items() if key in step.settings}

    def earlier(self, table: str, limit: int) -> list[Earlier]:
        """Return a table of the latest `limit` runs that ended before this one began, oldest first."""
        step, found = flow.writer(table).name, list[Earlier]()
        for folder in reversed(intervals(self.folder.parent)):
            if len(found) >= limit:
                break
            if folder.name.split("-")[1] > self.interval.name.split("-")[0]:
                continue
            manifest = manifests.read(folder / step / manifests.NAME)
            if manifest is not None:
                place = manifests.folder(folder / step, manifest) / table
                found.append(Earlier(folder.name, place, str(manifest["tables"][table]["digest"]), folder))
        return found[::-1]

    @contextmanager
    def lock(self) -> Iterator[Hold]:
        """Hold the interval: no other process can work on it meanwhile.

        Raises:
            BusyError: Another process holds it.
            OSError: Storage refuses.
        """
        try:
            with held(self.folder / LOCK) as hold:
                try:
                    yield hold
                except Exception as error:
                    # Whoever took it over cleared what this process was writing: that is what went wrong then.
                    if hold.lost():
                        raise TakenError("it took over while this one was stopped for a minute or more") from error
                    raise
        except TakenError as error:
            raise BusyError(
                f"{self.folder} is being worked on by another process ({error.who}).",
                remedy="wait for it to end, or end it; nothing is lost either way",
            ) from error

    def _digest(self, table: str, known: _Manifests) -> str:
        return str(self._require(flow.writer(table).name, known)["tables"][table]["digest"])

    def _require(self, step: str, known: _Manifests) -> dict[str, Any]:
        """See `require`; each manifest is fetched and checked once, and kept in `known` from then on."""
        if step in known:
            return known[step]
        manifest = self.manifest(step)
        if manifest is None:
            raise self._unfinished(step)
        if manifest["fingerprint"] != self.fingerprint(step):
            raise RunError(
                f"{self.folder / step} was made with other settings.",
                cause=f"one of {', '.join(flow.step(step).settings)} was edited, or two runs share the interval",
                remedy=self._again(step),
            )
        for table in flow.step(step).reads:
            if manifest["inputs"][table] != self._digest(table, known):
                raise RunError(f"{self.folder / step} was made from another {table!r}.", remedy=self._again(step))
        known[step] = manifest
        return manifest

    def _unfinished(self, step: str) -> RunError:
        return RunError(f"{self.folder / step} is not finished.", remedy=self._again(step))

    def _again(self, step: str) -> str:
        return f"run step {step!r} of {self.configuration.retriever} for {self.interval.name} again"


def _as_fingerprinted(settings: dict[str, Any]) -> dict[str, Any]:
    """Return a step's settings as fingerprints have always had them, so that finished steps are still reused."""
    return encoder.as_fingerprinted(teacher.as_fingerprinted(schemes.as_fingerprinted(settings)))
