"""The step *screen* in a Spark of its own, whose first tasks of each kind are killed: prints the verdicts' digest."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from synalign.config import Configuration
from synalign.screening import in_spark
from synalign.spark import folded
from synalign.spark.folded import Shard
from tests.screening.test_in_spark import World, verdicts


def kill_once(name: str) -> None:
    """End this worker as the kernel does when memory is short, where the task is the first of its kind."""
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is not None and context.partitionId() == 0 and context.attemptNumber() == 0:
        (Path(os.environ["SYNALIGN_HOME"]) / f"killed {name}").touch()
        os.kill(os.getpid(), signal.SIGKILL)


class _Ranks(in_spark._RankFold):
    def fold(self, pieces: Sequence[Shard]) -> NDArray[Any]:
        kept = super().fold(pieces)
        kill_once("ranks")
        return kept


class _Closest(in_spark._ClosestFold):
    def fold(self, pieces: Sequence[Shard]) -> NDArray[Any]:
        kept = super().fold(pieces)
        kill_once(f"closest {self.held_out}")
        return kept


def main(configuration: str, seed: str) -> None:
    """Screen the adversarial world, and print what came of it."""
    folded.DRIVER_BYTES = 0
    folded.ROWS_PER_TASK = (11, 20)
    in_spark._RankFold, in_spark._ClosestFold = _Ranks, _Closest  # type: ignore[misc]
    found = verdicts(World("adversarial", int(seed)), Configuration.model_validate_json(configuration))
    print(json.dumps({"digest": hashlib.sha256(found).hexdigest()}))


if __name__ == "__main__":
    # By its name, under which the workers find it.
    from tests.screening import killed

    killed.main(*sys.argv[1:])
