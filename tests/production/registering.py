"""Registers releases on demand, each in a process that may be killed: `python -m tests.production.registering FOLDER`.

Loading MLflow takes seconds, so it is done once: for each line `RETRIEVER ADDRESS` of standard input a child is
forked, which registers that retriever's release there. Two lines come back: the child's pid, and how it ended, as JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from synalign import flow
from synalign.errors import SynAlignError
from synalign.registry import training_sets
from synalign.registry.release import Release
from synalign.storage import Place
from synalign.tables import schema
from tests.registry.conftest import DEMONSTRATIONS, TRAINING_SET, manifests


class Ended(NamedTuple):
    """How a registration ended.

    Attributes:
        registration: What it gave, as plain data; None: it was killed, or failed.
        error: What it said when it failed.
    """

    registration: dict[str, Any] | None
    error: str


class Registrar:
    """The process that registers. A context manager.

    Args:
        folder: For its releases and its log.
        environment: Its variables; who it is to MLflow stands there.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.log = folder / "registrar.log"
        with open(self.log, "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(folder)],
                env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1,
            )  # fmt: skip

    def __enter__(self) -> Registrar:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.stdin.close()
        self._process.wait(60)

    def begin(self, retriever: str, address: str) -> int:
        """Let a child register a release; its pid."""
        self._process.stdin.write(f"{retriever} {address}\n")
        return int(self._said())

    def end(self) -> Ended:
        """Wait for the child."""
        return Ended(**json.loads(self._said()))

    def register(self, retriever: str, address: str) -> dict[str, Any]:
        """Let a child register a release, which has to succeed."""
        self.begin(retriever, address)
        ended = self.end()
        assert ended.registration is not None, ended.error + self.log.read_text()[-3000:]
        return ended.registration

    def _said(self) -> str:
        line = self._process.stdout.readline()
        assert line, self.log.read_text()[-3000:]
        return line


def made(folder: Path, retriever: str) -> Release:
    """A small release, the same whenever it is made."""
    folders = {table: Place(folder / step.name / table) for step in flow.before("register") for table in step.writes}
    for table, rows in {"training_set": TRAINING_SET, "demonstrations": DEMONSTRATIONS}.items():
        place = Path(folders[table])
        place.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema(table)), place / "part-00000.parquet")
    configuration = {"retriever": retriever, "owner": "search", "seed": 0, "sampling": {"batches": 3}}
    return Release(retriever, "20260228T000000Z-20260301T000000Z", configuration, manifests(), folders, ())


def _child(folder: Path, retriever: str, address: str) -> Ended:
    try:
        return Ended(training_sets.register(made(folder, retriever), address)._asdict(), "")
    except SynAlignError as error:
        return Ended(None, f"{type(error).__name__}: {error}")


def _serve(folder: Path) -> None:
    for line in sys.stdin:
        retriever, address = line.split()
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.write(writing, json.dumps(_child(folder, retriever, address)._asdict()).encode())
            os._exit(0)
        print(pid, flush=True)
        os.close(writing)
        with open(reading, encoding="utf-8") as said:
            told = said.read()
        os.waitpid(pid, 0)
        print(told or json.dumps(Ended(None, "killed")._asdict()), flush=True)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
