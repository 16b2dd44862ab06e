"""One run's folder: where its tables lie, how a step commits, and when a finished step is reused.

    <root>/<retriever>/<interval>/<step>/<table>/part-00000.parquet
    <root>/<retriever>/<interval>/<step>/manifest.json
    <root>/<retriever>/<interval>/configuration.json

A step writes beside its place (a hidden folder) and moves in as its last act: a folder with a manifest is a finished
step, anything else is rubbish that the next attempt clears. While it works it holds a lock on the interval, which the
operating system frees however the process ends. Every attempt that begins also leaves the configuration it works with,
so that a run can be looked at where its YAML file is not. No other module knows these paths.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from synalign import flow, manifests, tables
from synalign.config import Configuration, home, resolve
from synalign.errors import BusyError, RunError

CONFIGURATION = "configuration.json"
_NAME = "%Y%m%dT%H%M%SZ"


class Interval(NamedTuple):
    """A data interval, start inclusive, end exclusive, both in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def parse(cls, start: str, end: str) -> Interval:
        """Read two ISO 8601 times; one without a zone is UTC.

        Raises:
            RunError: One is malformed, or the end is not after the start.
        """
        try:
            first, last = (_utc(datetime.fromisoformat(text)) for text in (start, end))
        except ValueError as error:
            raise RunError(f"interval == {start!r} to {end!r}, must be two ISO 8601 times: {error}.") from error
        if last <= first:
            raise RunError(
                f"interval == {start} to {end}, its end must be after its start.",
                cause="an Airflow trigger timetable, whose data interval is empty",
                remedy="use a data-interval timetable, or give a later --end",
            )
        return cls(first, last)

    @classmethod
    def named(cls, name: str) -> Interval:
        """The interval whose run's folder has that name.

        Raises:
            RunError: No interval has it.

        Examples:
            >>> Interval.named("20260228T000000Z-20260301T000000Z").start.date().isoformat()
            '2026-02-28'
        """
        try:
            start, end = (datetime.strptime(part, _NAME).replace(tzinfo=UTC) for part in name.split("-"))
        except ValueError as error:
            raise RunError(
                f"run folder == {name!r}, must be named after its interval, like 20260228T000000Z-20260301T000000Z."
            ) from error
        return cls(start, end)

    @property
    def name(self) -> str:
        """Name of the run's folder; sorts by time."""
        return f"{self.start:{_NAME}}-{self.end:{_NAME}}"


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def root() -> Path:
    """The folder of all runs."""
    return home() / "runs"


class Run:
    """One interval of one retriever.

    Args:
        configuration: The retriever's configuration.
        interval: The data interval.
        base: Folder of all runs; defaults to `root()`.
    """

    def __init__(self, configuration: Configuration, interval: Interval, base: Path | None = None) -> None:
        self.configuration = configuration
        self.interval = interval
        self.folder = (base or root()) / configuration.retriever / interval.name

    @classmethod
    def open(cls, folder: Path) -> Run:
        """The run in a folder, with the configuration that was last worked with there; no YAML file is needed.

        Raises:
            RunError: It is no run's folder, or one whose configuration cannot be read.
        """
        folder = folder.resolve()
        path = folder / CONFIGURATION
        try:
            kept = json.loads(path.read_bytes())
            configuration = Configuration.model_validate(kept["configuration"]).with_templates(kept["templates"])
        except FileNotFoundError as error:
            raise RunError(
                f"{path} is not there.",
                cause="the folder is no run's, or no step of the run has begun since SynAlign keeps configurations",
                remedy="name a folder like <home>/runs/<retriever>/<interval>, or run `synalign refresh` once more",
            ) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path} cannot be read: {error}.",
                cause="it was edited, or written by another version of SynAlign",
                remedy="run `synalign refresh` once more: it is written anew, and finished steps are kept",
            ) from error
        run = cls(configuration, Interval.named(folder.name), folder.parent.parent)
        # A folder that was copied elsewhere may lie under another name than its retriever's.
        run.folder = folder
        return run

    def keep_configuration(self) -> None:
        """Leave the configuration, and its own prompt templates, beside the steps; a reader sees all of it or none."""
        content = {
            "configuration": self.configuration.model_dump(mode="json"),
            "templates": dict(self.configuration.templates),
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f".{CONFIGURATION}.{uuid.uuid4().hex[:8]}"
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False), encoding="utf-8")
        os.replace(path, self.folder / CONFIGURATION)

    @property
    def journal(self) -> str | Path:
        """Place of the response journal, as `Journal` takes it. It outlives attempts: what was paid for stays paid.

        In the run's folder, or where `runtime.journal` says, a retriever's runs together.
        """
        place = self.configuration.runtime.journal
        if place is None:
            return self.folder / "journal"
        retriever = self.configuration.retriever
        if place.startswith("s3://"):
            return f"s3://{place.removeprefix('s3://').rstrip('/')}/{retriever}"
        return resolve(place) / retriever

    def step_folder(self, step: str) -> Path:
        """Where a finished step lies."""
        return self.folder / step

    def manifest(self, step: str) -> dict[str, Any] | None:
        """A finished step's manifest, or None when the step is not finished."""
        return manifests.read(self.step_folder(step) / manifests.NAME)

    def table_folder(self, table: str) -> Path:
        """Where a finished table's Parquet files lie."""
        return self.step_folder(flow.writer(table).name) / table

    def read(self, table: str, columns: list[str] | None = None) -> pa.Table:
        """A finished table, rows in their stored order.

        Raises:
            RunError: The step that writes it has not finished.
        """
        self.require(flow.writer(table).name)
        return pq.read_table(self.table_folder(table), columns=columns)

    def digest(self, table: str) -> str:
        """A finished table's digest."""
        step = flow.writer(table).name
        return str(self.require(step)["tables"][table]["digest"])

    def rows(self, table: str) -> int:
        """How many rows a finished table has."""
        return int(self.require(flow.writer(table).name)["tables"][table]["rows"])

    def require(self, step: str) -> dict[str, Any]:
        """The manifest of a step, checked to belong to this configuration and to tables that are still there.

        Raises:
            RunError: The step has not finished, or what it was made from has changed since.
        """
        manifest = self.manifest(step)
        remedy = f"run step {step!r} of {self.configuration.retriever} for {self.interval.name} again"
        if manifest is None:
            raise RunError(f"{self.step_folder(step)} is not finished.", remedy=remedy)
        if manifest["fingerprint"] != self.fingerprint(step):
            raise RunError(
                f"{self.step_folder(step)} was made with other settings.",
                cause=f"one of {', '.join(flow.step(step).settings)} was edited, or two runs share the interval",
                remedy=remedy,
            )
        for table in flow.step(step).reads:
            if manifest["inputs"][table] != self.digest(table):
                raise RunError(f"{self.step_folder(step)} was made from another {table!r}.", remedy=remedy)
        return manifest

    def fingerprint(self, step: str) -> str:
        """SHA-256 of all that defines a step's output beside its inputs: settings, interval and table schemas."""
        chosen = flow.step(step)
        content = {
            "step": step,
            "interval": self.interval.name,
            "settings": _settings(self.configuration, chosen.settings),
            "schemas": {table: str(tables.schema(table)) for table in chosen.writes},
            "format": manifests.FORMAT,
        }
        return hashlib.sha256(manifests.canonical(content)).hexdigest()

    def earlier(self, table: str, limit: int) -> list[tuple[Path, str]]:
        """Folder and digest of a table in the latest `limit` runs that ended before this one began, oldest first."""
        step, found = flow.writer(table).name, []
        for folder in sorted(self.folder.parent.glob("*Z-*Z")):
            manifest = manifests.read(folder / step / manifests.NAME)
            if manifest is not None and folder.name.split("-")[1] <= self.interval.name.split("-")[0]:
                found.append((folder / step / table, str(manifest["tables"][table]["digest"])))
        return found[max(0, len(found) - limit) :]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the interval: no other process can work on it meanwhile.

        Raises:
            BusyError: Another process holds it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                raise BusyError(
                    f"{self.folder} is being worked on by another process ({file.read().strip() or 'unknown'}).",
                    remedy="wait for it to end, or end it; nothing is lost either way",
                ) from error
            file.truncate(0)
            file.write(f"pid {os.getpid()} on {platform.node()}")
            file.flush()
            yield


class Attempt:
    """One try at one step: what it reads, what it writes beside its place, and the move into place.

    Attributes:
        run: The run it belongs to.
        step: The step.
        metrics: Figures for the manifest; digests do not cover them.
        outside: What it reads from outside the run, name to SHA-256; part of what decides whether it is reused.
    """

    def __init__(self, run: Run, step: flow.Step, outside: dict[str, str] | None = None) -> None:
        self.run = run
        self.step = step
        self.metrics: dict[str, Any] = {}
        self.outside = outside or {}
        self.inputs = {table: run.digest(table) for table in step.reads}
        self.started = time.time()
        self.folder = run.folder / f".{step.name}.{uuid.uuid4().hex[:8]}"

    @property
    def configuration(self) -> Configuration:
        """The retriever's configuration."""
        return self.run.configuration

    @cached_property
    def finished(self) -> dict[str, Any] | None:
        """The manifest of an earlier attempt that can stand for this one, or None."""
        manifest = self.run.manifest(self.step.name)
        if manifest is None:
            return None
        same = (
            manifest["fingerprint"] == self.run.fingerprint(self.step.name)
            and manifest["inputs"] == self.inputs
            and manifest["outside"] == self.outside
        )
        return manifest if same and manifests.intact(self.run.step_folder(self.step.name), manifest) else None

    def begin(self) -> None:
        """Clear what killed attempts left, keep the configuration and make the folder to write in."""
        for left in self.run.folder.glob(f".{self.step.name}.*"):
            shutil.rmtree(left)
        for file in self.run.folder.glob(f".{CONFIGURATION}.*"):
            file.unlink()
        self.run.keep_configuration()
        self.folder.mkdir(parents=True)

    def output(self, table: str) -> Path:
        """Where to write a table's Parquet files."""
        if table not in self.step.writes:
            raise RunError(f"step {self.step.name!r} does not write table {table!r}.")
        return self.folder / table

    def write(self, table: str, content: pa.Table) -> None:
        """Write a table that fits in memory, in the order given.

        Raises:
            RunError: Its columns do not fit the table's schema.
        """
        folder = self.output(table)
        folder.mkdir()
        try:
            content = content.select(tables.schema(table).names).cast(tables.schema(table))
        except (KeyError, pa.ArrowException, ValueError) as error:
            raise RunError(f"table {table!r} does not fit its schema: {error}.") from error
        pq.write_table(content, folder / "part-00000.parquet")

    def commit(self) -> dict[str, Any]:
        """Write the manifest and move the step into place, in one rename.

        Returns:
            The manifest.

        Raises:
            RunError: A table that the step promises was not written.
        """
        contents = {table: manifests.describe(self.folder / table) for table in self.step.writes}
        manifest = {
            "format": manifests.FORMAT,
            "retriever": self.configuration.retriever,
            "interval": {"start": self.run.interval.start.isoformat(), "end": self.run.interval.end.isoformat()},
            "step": self.step.name,
            "fingerprint": self.run.fingerprint(self.step.name),
            "settings": _settings(self.configuration, self.step.settings),
            "inputs": self.inputs,
            "outside": self.outside,
            "tables": contents,
            "metrics": self.metrics,
            "versions": manifests.versions(),
            "started": datetime.fromtimestamp(self.started, UTC).isoformat(),
            "seconds": round(time.time() - self.started, 3),
        }
        with open(self.folder / manifests.NAME, "wb") as file:
            file.write(json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False).encode())
            file.flush()
            os.fsync(file.fileno())
        self._move_in()
        return manifest

    def _move_in(self) -> None:
        place = self.run.step_folder(self.step.name)
        if place.exists():
            # The name marks it as rubbish, so a kill between the two renames leaves no half-step behind.
            os.rename(place, self.run.folder / f".{self.step.name}.old-{uuid.uuid4().hex[:8]}")
        os.rename(self.folder, place)
        for left in self.run.folder.glob(f".{self.step.name}.*"):
            shutil.rmtree(left)

    def abandon(self) -> None:
        """Remove what was written; the finished step of an earlier attempt, if any, stays."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _settings(configuration: Configuration, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: value for key, value in configuration.model_dump(mode="json").items() if key in keys}
