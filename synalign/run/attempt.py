"""An attempt at a step: a folder of its own, and the moment from which on it counts."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from synalign import flow, tables
from synalign.config import Configuration
from synalign.errors import BusyError, RunError
from synalign.run import manifests
from synalign.run.run import Run
from synalign.storage import Place, StaleError
from synalign.storage.lock import Hold
from synalign.storage.taken import TakenError


def attempts(step: Place) -> list[Place]:
    """Folders of all attempts at a step, whole or not, oldest first."""
    return [folder for folder in step.folders() if manifests.ATTEMPT.fullmatch(folder.name)]


def unfinished(step: Place) -> list[Place]:
    """Folders of attempts that are not whole: one is at work there, or was killed."""
    return [folder for folder in attempts(step) if not (folder / manifests.NAME).is_file()]


class Attempt:
    """One try at one step: what it reads, what it writes into a folder of its own, and that it counts.

    Attributes:
        run: The run it belongs to.
        step: The step.
        metrics: Figures for the manifest; digests do not cover them.
        outside: What it reads from outside the run, name to version or digest; it decides on reuse too.
        inputs: Digests of the tables it reads.
        folder: Where it writes; its name enters no digest.
    """

    def __init__(self, run: Run, step: flow.Step, outside: dict[str, str] | None = None) -> None:
        self.run = run
        self.step = step
        self.metrics: dict[str, Any] = {}
        self.outside = outside or {}
        # First of all: what changes from now on is seen when this attempt is to count.
        self._counts = run.folder / step.name / manifests.NAME
        self._tag = self._counts.tag()
        self.inputs = run.digests(step.reads)
        self.started = time.time()
        # The clock that people set may jump meanwhile.
        self._began = time.monotonic()
        self.folder = run.folder / step.name / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"

    @property
    def configuration(self) -> Configuration:
        """The retriever's configuration."""
        return self.run.configuration

    @cached_property
    def finished(self) -> dict[str, Any] | None:
        """The manifest of an earlier attempt that can stand for this one, or None."""
        manifest = self.run.manifest(self.step.name)
        return manifest if manifest is not None and self._stands_for_this(manifest) else None

    def begin(self, hold: Hold | None = None) -> None:
        """Clear what killed attempts left, keep the configuration and make the folder to write in.

        Args:
            hold: The lock on the interval.

        Raises:
            TakenError: The lock is another's by now.
        """
        left = unfinished(self._counts.parent)
        if hold is not None:
            # Still held after the look: none of it is of one that took the lock over meanwhile.
            hold.check()
        for folder in left:
            folder.remove()
        for place in (self.run.folder, self._counts.parent):
            place.clear_drafts()
        self.run.keep_configuration()
        self.folder.make()

    def output(self, table: str) -> Place:
        """Return the folder for a table's Parquet files."""
        if table not in self.step.writes:
            raise RunError(f"step {self.step.name!r} does not write table {table!r}.")
        return self.folder / table

    def write(self, table: str, content: pa.Table) -> None:
        """Write a table that fits in memory, in the order given.

        Raises:
            RunError: Its columns do not fit the table's schema.
        """
        folder = self.output(table)
        try:
            content = content.select(tables.schema(table).names).cast(tables.schema(table))
        except (KeyError, pa.ArrowException, ValueError) as error:
            raise RunError(f"table {table!r} does not fit its schema: {error}.") from error
        with (folder / "part-00000.parquet").open_output() as file:
            pq.write_table(content, file)

    def commit(self, hold: Hold | None = None) -> dict[str, Any]:
        """Write the manifest, and let this attempt count if none else does since it began.

        Args:
            hold: The lock on the interval, looked at once more before this attempt counts.

        Returns:
            The manifest that counts: this attempt's, or that of one which was faster and can stand for it.

        Raises:
            RunError: A table that the step promises was not written.
            BusyError: Another process works on the interval, and its attempt is another one.
        """
        manifest = self._manifest()
        content = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False).encode()
        (self.folder / manifests.NAME).write_bytes(content)
        try:
            if hold is not None:
                hold.check()
            if self._tag is None:
                self._counts.create(content)
            else:
                self._counts.replace(content, self._tag)
        except (FileExistsError, StaleError, TakenError) as error:
            return self._faster(error)
        return manifest

    def abandon(self) -> None:
        """Remove what was written, unless it is whole: then it may count. The attempt that counts stays."""
        if not (self.folder / manifests.NAME).is_file():
            self.folder.remove()
            step = self._counts.parent.local
            if step is not None:
                # The first attempt's folder made the step's.
                with suppress(OSError):
                    step.rmdir()

    def _manifest(self) -> dict[str, Any]:
        return {
            "format": manifests.FORMAT,
            "retriever": self.configuration.retriever,
            "interval": {"start": self.run.interval.start.isoformat(), "end": self.run.interval.end.isoformat()},
            "step": self.step.name,
            "attempt": self.folder.name,
            "fingerprint": self.run.fingerprint(self.step.name),
            "settings": self.run.settings(self.step),
            "inputs": self.inputs,
            "outside": self.outside,
            "tables": {table: manifests.describe(self.folder / table) for table in self.step.writes},
            "metrics": self.metrics,
            "versions": manifests.versions(),
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(),
            "seconds": round(time.monotonic() - self._began, 3),
        }

    def _stands_for_this(self, manifest: dict[str, Any]) -> bool:
        return (
            manifest["fingerprint"] == self.run.fingerprint(self.step.name)
            and manifest["inputs"] == self.inputs
            and manifest["outside"] == self.outside
            and manifests.intact(self._counts.parent, manifest)
        )

    def _faster(self, error: Exception) -> dict[str, Any]:
        """Return the manifest of a faster attempt of the same step, where it can replace this one.

        Raises:
            BusyError: There is none that can replace it.
        """
        winner = self.run.manifest(self.step.name)
        # One that was there before this attempt began could not stand for it then, and was made to be replaced.
        if winner is not None and self._counts.tag() != self._tag and self._stands_for_this(winner):
            return winner
        raise BusyError(
            f"{self._counts.parent} was finished or taken over by another process while this one worked on it.",
            cause="this one was stopped for a minute or more, or storage did not answer it",
            remedy="run the step again: what the other one made is reused where it can be",
        ) from error
