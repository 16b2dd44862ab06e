"""A test that starts something heavy and does not say so fails, whatever comes of the start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.guard import starts
from tests.guard.starts import kind

ROOT = Path(__file__).resolve().parent.parent.parent
# None of the programs is there: a guard that lets them pass is no trouble.
TESTS = """
import contextlib, os, subprocess, sys
import pytest

def start(*command):
    with contextlib.suppress(Exception):
        subprocess.run(command, capture_output=True)

def python(code):
    start(sys.executable, "-c", code)

def test_quiet():
    start(sys.executable, "--version")

def test_jvm():
    start("/nowhere/java", "-jar", "a.jar")

@pytest.fixture
def path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "own", prepend=os.pathsep)

def test_path_of_a_fixture(path):
    assert os.environ["PYTHONPATH"].startswith("own" + os.pathsep)
    python("import airflow.configuration")

@pytest.mark.spark
def test_marked_jvm():
    start("/nowhere/java", "-jar", "a.jar")

@pytest.mark.spark
def test_marked_otherwise():
    start("/nowhere/chromium")

def test_child_of_child():
    python("import subprocess, sys; subprocess.run([sys.executable, '-c', 'import subprocess; "
           "subprocess.run([\\"/nowhere/spark-submit\\"])'])")

def test_airflow():
    python("import airflow.configuration")

@pytest.mark.airflow
def test_marked_airflow():
    python("import airflow.configuration")
    assert "SYNALIGN_TEST_STARTS" not in os.environ

@pytest.fixture(scope="module")
def server():
    start("mlflow", "server")

def test_fixture(server):
    pass
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of these tests, with the guard and nothing else of ours."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "test_some.py").write_text(TESTS)
    (folder / "airflow").mkdir()
    (folder / "airflow" / "__init__.py").touch()
    (folder / "airflow" / "configuration.py").touch()
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n" + "".join(f"    {name}: is\n" for name in starts.KINDS))
    environment = {name: value for name, value in os.environ.items() if name != starts.RECORD}
    environment |= {
        "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "COLUMNS": "300",
    }
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "tests.guard.plugin", "test_some.py"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", ["quiet", "marked_jvm", "marked_airflow"])
def test_what_is_marked_or_starts_nothing_passes(name: str, outcome: str) -> None:
    assert f"PASSED test_some.py::test_{name}\n" in outcome


@pytest.mark.parametrize(
    ("name", "started", "marker"),
    [
        ("jvm", "a JVM, `/nowhere/java -jar a.jar`", "spark"),
        ("marked_otherwise", "a browser, `/nowhere/chromium`", "browser"),
        ("child_of_child", "a JVM, `/nowhere/spark-submit`", "spark"),
        ("airflow", "Airflow, `import airflow`", "airflow"),
        ("path_of_a_fixture", "Airflow, `import airflow`", "airflow"),
        ("fixture", "an MLflow server, `mlflow server`", "mlflow"),
    ],
)
def test_what_is_not_marked_fails_and_says_which_marker_is_missing(
    name: str, started: str, marker: str, outcome: str
) -> None:
    said = "ERROR" if name == "fixture" else "FAILED"
    [line] = [line for line in outcome.splitlines() if line.startswith(f"{said} test_some.py::test_{name} ")]
    assert f"It starts {started}: mark it with `@pytest.mark.{marker}`" in line


@pytest.mark.parametrize(
    ("command", "marker"),
    [
        (["/usr/lib/jvm/bin/java", "-cp", "x"], "spark"),
        (["/usr/bin/java", "-version"], None),
        ([b"spark-submit", "job.py"], "spark"),
        ([Path("docker/entrypoint"), "spark-class", "org.apache.spark.deploy.master.Master"], "spark"),
        (["/bin/sh", "-c", "airflow db migrate"], "airflow"),
        (["/x/site-packages/playwright/driver/node", "cli.js"], "browser"),
        ([sys.executable, "-m", "mlflow", "server"], "mlflow"),
        # Perhaps a stand-in: the child tells.
        ([sys.executable, "-m", "airflow", "dags", "list"], None),
        ([sys.executable, "-c", "print('java')"], None),
        (["node", "-"], None),
        (["sh", "-c", ""], None),
    ],
)
def test_the_kind_of_a_command(command: list[Any], marker: str | None) -> None:
    assert kind(command) == marker
