"""A refresh that nothing disturbs, made once however many test processes look at it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from filelock import FileLock

from synalign import flow

ROOT = Path(__file__).parent.parent.parent
SYNALIGN = str(Path(sys.executable).with_name("synalign"))
INTERVAL = "20260228T000000Z-20260301T000000Z"


class Refresh(NamedTuple):
    home: Path
    yaml: Path
    output: str = ""

    @property
    def folder(self) -> Path:
        return self.home / "runs" / "small" / INTERVAL

    def manifest(self, step: str) -> dict:
        return json.loads((self.folder / step / "manifest.json").read_text())

    def attempt(self, step: str) -> Path:
        """Folder of the attempt that counts."""
        return self.folder / step / self.manifest(step)["attempt"]

    def digests(self) -> dict[str, str]:
        """Of every table but `requests`, which holds how long each request took."""
        return {
            table: content["digest"]
            for step in flow.STEPS
            for table, content in self.manifest(step.name)["tables"].items()
            if table != "requests"
        }

    def environment(self) -> dict[str, str]:
        """Variables under which a command works in this home."""
        kept = {name: value for name, value in os.environ.items() if name != "PYSPARK_SUBMIT_ARGS"}
        return {**kept, "SYNALIGN_HOME": str(self.home)}

    @contextmanager
    def to_itself(self) -> Iterator[None]:
        """Nobody else reads or changes this home meanwhile."""
        with FileLock(self.home.with_suffix(".lock")):
            yield

    def again(self) -> "Refresh":
        """Refresh this home, whatever is there."""
        command = [SYNALIGN, "refresh", str(self.yaml), "--date", "2026-03-01"]
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False, cwd=ROOT)
        assert done.returncode == 0, done.stdout + done.stderr
        return self._replace(output=done.stdout)


@pytest.fixture(scope="session")
def calm(shared: Path, make_shop: Callable[..., Path], quick_java: str) -> Refresh:
    """The refresh; whichever process asks first makes it, the others wait."""
    home = shared / "calm"
    made = Refresh(home, home / "retrievers" / "small.yaml")
    with made.to_itself():
        kept = home / "output.txt"
        if not kept.exists():
            make_shop(home, events=1500, batches=6)
            kept.write_text(made.again().output)
        return made._replace(output=kept.read_text())
