"""A place to try a page's commands in: like the checkout, with a home in which one small refresh may be finished."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from synalign.cli import application
from tests.docs.pages import ROOT, Block, words
from tests.integration.conftest import calm as calm  # the refresh that all integration tests look at


class Place(NamedTuple):
    """Where a reader of a page sits.

    Attributes:
        folder: The working directory: all that the checkout has, and what the reader writes.
        home: `$SYNALIGN_HOME`.
    """

    folder: Path
    home: Path

    def prepare(self, block: Block) -> None:
        """Save a block under the name that the page gives it, or fill in a file as the reader would."""
        if block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
            if path.suffix in (".jsonl", ".csv"):
                # Data: relative paths of a retriever's file start at home.
                (self.home / block.file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, self.home / block.file)
        if block.filled:
            name, like = block.filled
            assert (self.folder / name).exists(), f"{block}: {name} is filled in before it is there"
            shutil.copy(self.folder / like, self.folder / name)

    def run(self, line: str) -> None:
        """Run a line of an `sh` block; the working directory and the environment are the process's own.

        Raises:
            AssertionError: It fails.
        """
        if not line.startswith("synalign "):
            subprocess.run(line, shell=True, check=True, cwd=self.folder)
            return
        # In this process: each start of Python would cost seconds, and that the command starts is tested elsewhere.
        done = CliRunner().invoke(application, words(line)[1:])
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        if ">" in (parts := shlex.split(line)):
            (self.folder / parts[parts.index(">") + 1]).write_text(done.stdout, encoding="utf-8")

    def python(self, program: str) -> None:
        """Run a `python` block in a process of its own.

        Raises:
            AssertionError: It fails.
        """
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def place(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, empty_database: bytes) -> Place:
    """A place where nothing was refreshed yet."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for entry in ROOT.iterdir():
        if not entry.name.startswith("."):
            (folder / entry.name).symlink_to(entry)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    (home / "mlflow").mkdir(parents=True)
    (home / "mlflow" / "mlflow.db").write_bytes(empty_database)
    return Place(folder, home)


@pytest.fixture
def refreshed(place: Place, calm: Any) -> Place:
    """A place where one refresh of the retriever `small` is finished."""
    shutil.rmtree(place.home)
    with calm.to_itself():
        shutil.copytree(calm.home, place.home, ignore=shutil.ignore_patterns("logs", "airflow"))
    return place
