"""The same refresh on one machine without any server, in the background: what a calm one gives, to compare with.

python -m tests.production.alone FILE     every job of one interval in one process, with one Spark session
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

from synalign import flow
from tests.production.compose import CHECKOUT
from tests.production.conftest import Production, small

INTERVAL = "20260228T000000Z-20260301T000000Z"


class Alone:
    """All jobs of a refresh, begun when this is made.

    Args:
        production: Whose data and writer it uses.
        home: An empty folder for it.
    """

    def __init__(self, production: Production, home: Path) -> None:
        self._home = home
        (home / "small.yaml").write_text(small(production.data, production.writer))
        kept = {name: production.topology.environment("scheduler")[name] for name in ("PATH", "LANG")}
        own = {"HOME": str(home), "SYNALIGN_HOME": str(home / "home"), "MODEL_API_KEY": "any"}
        more = {"JAVA_TOOL_OPTIONS": production.topology.extra["JAVA_TOOL_OPTIONS"], "PYTHONPATH": str(CHECKOUT)}
        command = [sys.executable, "-m", "tests.production.alone", str(home / "small.yaml")]
        with open(home / "log", "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command, env={**kept, **own, **more}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def digests(self) -> dict[str, str]:
        """Of its tables, once it has ended well."""
        code = self._process.wait(3600)
        assert code == 0, (self._home / "log").read_text()[-3000:]
        folder = self._home / "home" / "runs" / "small" / INTERVAL
        return digests([json.loads((folder / step.name / "manifest.json").read_text()) for step in flow.STEPS])


def digests(manifests: list[dict[str, Any]]) -> dict[str, str]:
    """Of every table but `requests`, which holds how long each request took."""
    tables = {name: table for manifest in manifests for name, table in manifest["tables"].items()}
    return {name: table["digest"] for name, table in tables.items() if name != "requests"}


def main(file: str) -> None:
    """Run the jobs one after the other; each is loaded once, and Spark is started once."""
    from synalign.spark.session import session

    with session("synalign alone"):
        for step in flow.STEPS:
            sys.argv = [str(CHECKOUT / "jobs" / f"{step.job}.py"), "--config", file, "--step", step.name]
            sys.argv += ["--start", "2026-02-28", "--end", "2026-03-01"]
            runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
