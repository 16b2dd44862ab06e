"""One refresh of an interval at a time: whoever comes second is refused, and the first is not disturbed."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from synalign import errors
from synalign.local import refresh_lock, services
from synalign.run import Interval

# Whole commands as processes, which wait for each other.
pytestmark = pytest.mark.slow

YAML = """
retriever: {name}
schedule: {{start: 2026-01-01, cron: "{cron}"}}
source: {{kind: log, path: log.parquet, documents: {{path: documents.parquet}}}}
"""

# Starts a job in a session of its own, as Airflow does, which works until it may go on.
AIRFLOW = """
import os, subprocess, sys
if sys.argv[1:3] == ["dags", "test"]:
    subprocess.run([sys.executable, "-c", os.environ["JOB"], sys.argv[4]], start_new_session=True)
"""
JOB = """
import os, pathlib, sys, time
folder = pathlib.Path(os.environ["FOLDER"])
(folder / f"job-{os.getpid()}").touch()
deadline = time.monotonic() + 120
while not (folder / "go on").exists() and time.monotonic() < deadline:
    time.sleep(0.02)
(folder / f"done-{os.getpid()}").touch()
"""
REFRESH = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from synalign import retriever_files
from synalign.errors import SynAlignError
from synalign.local.refresh import Refresh
from synalign.run.dates import interval_of
class Display:
    progress = ""
    say = staticmethod(lambda line: print(line, flush=True))
    show = staticmethod(lambda event: None)
try:
    file = Path(sys.argv[1])
    interval = interval_of(retriever_files.load(file).schedule, sys.argv[2], datetime.now(UTC))
    Refresh(file, interval, Display).run()
except SynAlignError as error:
    print(f"{type(error).__name__}: {error}")
    sys.exit(error.exit_code)
"""


class Home:
    """A home with a stand-in for Airflow."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running = folder, list[subprocess.Popen[str]]()
        package = folder / "stand-in" / "airflow"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(AIRFLOW)
        for name, cron in (("small", "0 0 * * *"), ("weekly", "0 0 * * 1"), ("other", "0 0 * * *")):
            (folder / f"{name}.yaml").write_text(YAML.format(name=name, cron=cron))

    def start(self, name: str = "small", date: str = "2026-03-01") -> subprocess.Popen[str]:
        path = os.pathsep.join([str(self.folder / "stand-in"), os.environ.get("PYTHONPATH", os.getcwd())])
        environment = {**os.environ, "PYTHONPATH": path, "JOB": JOB, "FOLDER": str(self.folder)}
        environment["SYNALIGN_HOME"] = str(self.folder / "home")
        command = [sys.executable, "-c", REFRESH, str(self.folder / f"{name}.yaml"), date]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.running.append(process)
        return process

    def wait(self, pattern: str, count: int = 1) -> None:
        deadline = time.monotonic() + 60
        while len(list(self.folder.glob(pattern))) < count:
            assert time.monotonic() < deadline, pattern
            time.sleep(0.02)

    def go_on(self) -> None:
        (self.folder / "go on").touch()


@pytest.fixture
def home(tmp_path: Path):
    made = Home(tmp_path)
    yield made
    made.go_on()
    for process in made.running:
        process.kill()
        process.communicate()


def test_the_second_is_refused_and_the_first_goes_on(home: Home) -> None:
    first = home.start()
    home.wait("job-*")
    second = home.start()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == errors.BusyError.exit_code
    assert "BusyError: a refresh of small, 20260228T000000Z-20260301T000000Z, is running already (pid" in said
    assert str(first.pid) in said and "Traceback" not in said
    assert first.poll() is None
    home.go_on()
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 0, said
    assert len(list(home.folder.glob("done-*"))) == 1


def test_of_many_that_begin_at_once_one_runs(home: Home) -> None:
    processes = [home.start() for _ in range(4)]
    deadline = time.monotonic() + 60
    while sum(process.poll() is None for process in processes) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    home.go_on()
    for process in processes:
        process.communicate(timeout=120)
    assert sorted(process.returncode for process in processes) == [0, 5, 5, 5]
    assert len(list(home.folder.glob("done-*"))) == 1
    assert len(list((home.folder / "home" / "logs").glob("refresh-*.log"))) == 1


def test_another_interval_and_another_retriever_run_at_the_same_time(home: Home) -> None:
    processes = [home.start(), home.start(date="2026-03-02"), home.start("other")]
    home.wait("job-*", 3)
    home.go_on()
    for process in processes:
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said


def test_two_dates_of_one_interval_are_the_same_refresh(home: Home) -> None:
    home.start("weekly", "2026-03-04")
    home.wait("job-*")
    second = home.start("weekly", "2026-03-06")
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 5
    assert "20260223T000000Z-20260302T000000Z" in said


def test_what_a_killed_refresh_left_running_is_ended_and_its_lock_is_not_believed(home: Home) -> None:
    first = home.start()
    home.wait("job-*")
    below = psutil.Process(first.pid).children(recursive=True)
    assert len(below) == 2
    first.send_signal(signal.SIGKILL)
    first.wait()
    second = home.start()
    home.wait("job-*", 2)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in below)
    home.go_on()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert "ending 2 processes that an earlier refresh left behind" in said
    assert len(list(home.folder.glob("done-*"))) == 1


@pytest.mark.parametrize(
    ("state", "by", "end", "refused"),
    [
        ("running", "timetable", "2026-03-01", True),
        ("queued", "ui", "2026-03-01", True),
        ("running", "test", "2026-03-01", False),
        ("success", "timetable", "2026-03-01", False),
        ("running", "timetable", "2026-03-02", False),
    ],
)
def test_an_interval_that_the_airflow_of_up_works_on_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, by: str, end: str, refused: bool
) -> None:
    monkeypatch.setenv("SYNALIGN_HOME", str(tmp_path))
    for folder in ("airflow", "pids"):
        (tmp_path / folder).mkdir()
    # The scheduler is a process that lives: this one.
    (tmp_path / "pids" / "scheduler").write_text(f"{os.getpid()} {services._started(os.getpid())}")
    with closing(sqlite3.connect(tmp_path / "airflow" / "airflow.db")) as database, database:
        database.execute("CREATE TABLE dag_run (dag_id, run_id, state, triggered_by, data_interval_end)")
        row = ("refresh__small", "scheduled__x", state, by, f"{end} 00:00:00.000000")
        database.execute("INSERT INTO dag_run VALUES (?, ?, ?, ?, ?)", row)
    interval = Interval.parse("2026-02-28", "2026-03-01")
    if refused:
        with pytest.raises(errors.BusyError, match="scheduled__x"):
            refresh_lock._require_no_run_of_airflow("small", interval)
    else:
        refresh_lock._require_no_run_of_airflow("small", interval)
