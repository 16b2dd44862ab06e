"""The machine itself: packages, Java, disk, memory and clock."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from pathlib import Path

from synalign import config, installed
from synalign.doctor.finding import Case, Skipped
from synalign.errors import SetupError
from synalign.run import intervals, root
from synalign.spark import java as java_
from synalign.storage import Place

GIB = 2**30
LEAST_DISK = GIB
# Spark's JVM takes 1 GiB unless told otherwise. A Python worker that embeds 256-token texts with all-MiniLM-L6-v2
# peaked at 0.43 GB (measured); Spark starts one per core.
JVM_BYTES, WORKER_BYTES = GIB, GIB // 2
LARGEST_SKEW_SECONDS = 60.0
_MEMORY_LIMITS = (
    # Limit and use of a container, of the second and the first version of control groups.
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def packages(case: Case) -> str:
    """Check that every package that jobs need is installed, in a version that is asked for.

    Raises:
        SetupError: One is not, or no jobs run here at all.
    """
    problem = installed.lacking()
    if problem is not None:
        raise problem
    return f"synalign {version('synalign')} and every package that its jobs need are installed"


def java(case: Case) -> str:
    """Check that Java is installed and new enough.

    Raises:
        SetupError: It is not.
    """
    trouble = java_.problem()
    if trouble is not None:
        raise SetupError(trouble[0], remedy=trouble[1])
    home = os.environ.get("JAVA_HOME")
    return f"{Path(home) / 'bin' / 'java' if home else shutil.which('java')} is Java {java_.OLDEST} or newer"


def disk(case: Case) -> str:
    """Check the disk for the next run: twice the size of the largest run so far, at least 1 GiB.

    Raises:
        SetupError: There is not.
    """
    runs = root()
    # Runs in object storage take no room here; what Spark and uploads put aside does.
    home = config.home() if runs.local is None else runs.local.parent
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    kept = intervals(runs / case.configuration.retriever) if runs.local is not None else []
    largest = max(map(_bytes, kept), default=0)
    needed = max(LEAST_DISK, 2 * largest)
    known = f"the largest run so far took {_size(largest)}" if largest else "no run so far"
    if free < needed:
        raise SetupError(
            f"{_size(free)} are free in {home}, must be at least {_size(needed)}; {known}.",
            remedy="delete runs of intervals that nobody needs any more, or set SYNALIGN_HOME to a larger disk",
        )
    return f"{_size(free)} free in {home}; {known}"


def memory(case: Case) -> str:
    """Check the memory for Spark on all cores of this machine.

    Raises:
        SetupError: There is not.
    """
    free = available_memory()
    if free is None:
        raise Skipped("this system does not say how much memory is free")
    cores = len(os.sched_getaffinity(0))
    needed = JVM_BYTES + cores * WORKER_BYTES
    if free < needed:
        raise SetupError(
            f"{_size(free)} of memory are free, must be at least {_size(needed)}: 1 GiB for Spark's JVM, 0.5 GiB for "
            f"each of {cores} workers.",
            remedy="end other processes, or give Spark fewer cores, such as the master `local[2]` in Airflow's "
            "connection spark_default",
        )
    return f"{_size(free)} free; Spark on {cores} cores takes up to {_size(needed)}"


def clock(case: Case) -> str:
    """Compare the clock of this machine with the clocks of the servers that were asked.

    Raises:
        SetupError: It is off by more than a minute.
    """
    if not case.clocks:
        raise Skipped("no server told its time")
    skews = [((clock.ours - clock.theirs).total_seconds(), clock.server) for clock in case.clocks]
    skew, server = max(skews, key=lambda pair: abs(pair[0]))
    if abs(skew) > LARGEST_SKEW_SECONDS:
        raise SetupError(
            f"this clock is {abs(skew):,.0f} s {'ahead of' if skew > 0 else 'behind'} that of {server}, must be within "
            f"{LARGEST_SKEW_SECONDS:.0f} s; signed requests are refused, and intervals end at the wrong time.",
            remedy="set the clock by NTP, such as `timedatectl set-ntp true`, here or there",
        )
    return f"within {max(1.0, abs(skew)):.0f} s of {' and '.join(clock.server for clock in case.clocks)}"


def available_memory() -> int | None:
    """Bytes that processes can still have, in a container of those it may use; None where nobody says."""
    found = [_limit(Path(limit), Path(use)) for limit, use in _MEMORY_LIMITS]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except OSError:
        return None
    return min((each for each in found if each is not None), default=None)


def _limit(limit: Path, use: Path) -> int | None:
    try:
        # `max` where there is none.
        return int(limit.read_text()) - int(use.read_text())
    except (OSError, ValueError):
        return None


def _bytes(folder: Place) -> int:
    return sum(size for _, size in folder.tree())


def _size(number: float) -> str:
    return f"{number / GIB:,.1f} GiB" if number >= GIB / 10 else f"{number / 2**20:,.1f} MiB"
