"""A place is held by one process at a time, and is free again however that process ends. The lease: `test_lease`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synalign.storage import Place
from synalign.storage.lock import held
from synalign.storage.taken import TakenError

HOLDING = """
import sys
from synalign.storage import Place
from synalign.storage.lock import held
with held(Place(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_another_process_is_named_and_a_kill_frees_the_place(tmp_path: Path) -> None:
    lock = Place(tmp_path / "store" / "lock")
    command = [sys.executable, "-c", HOLDING, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(TakenError) as caught, held(lock):
            pass
        assert f"pid {other.pid} on" in caught.value.who
        other.kill()
        other.wait()
    with held(lock) as hold:
        hold.check()
        assert not hold.lost()
        assert f"pid {os.getpid()} on" in lock.read_text()


def test_it_is_free_again_at_the_end(place: Place) -> None:
    for _ in range(2):
        with held(place / "lock") as hold:
            hold.check()
