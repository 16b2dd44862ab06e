"""Airflow, Spark, the jobs and every command of `synalign` in both images.

Built on Debian's Python: what is tested is not the official base image.
"""

from __future__ import annotations

import pytest

from tests.images.buildah import RAW, UNKNOWN, Container

AIRFLOW = """
airflow db migrate
airflow dags reserialize
airflow dags list --output json
airflow dags list-import-errors
"""
MODULES = """
import importlib, pkgutil, synalign
for found in pkgutil.walk_packages(synalign.__path__, "synalign."):
    importlib.import_module(found.name)
    print(found.name)
"""
JOBS = """
import glob, runpy
for file in sorted(glob.glob("jobs/*.py")):
    runpy.run_path(file, run_name="job")
    print(file)
"""
COMMANDS = (
    *("", "--help", "--version", "check", "check --help", "check dags/retrievers/demo.yaml", "check /none.yaml"),
    *("doctor --help", "init", "init /tmp/shop.yaml", "init /opt/synalign/shop.yaml", "demo-data --events 500"),
    *("estimate", "show", "report", "compare", "compare a b", "lineage demo", "gc", "forget", "forget nobody"),
    *("experiment", "experiment list demo", "experiment status x", "refresh none.yaml", "up --help", "down"),
)


@pytest.mark.parametrize(("image", "user"), [("airflow", "50000:0"), ("jobs", "50000:0"), ("jobs", UNKNOWN)])
def test_airflow_lists_the_dags(image: str, user: str, request: pytest.FixtureRequest) -> None:
    container: Container = request.getfixturevalue(image)
    done = container.run("sh", "-ec", AIRFLOW, user=user)
    assert done.returncode == 0, done.stderr[-3000:]
    assert '"refresh__demo"' in done.stdout
    assert "No data found" in done.stdout


def test_spark_and_every_job_start(jobs: Container) -> None:
    shown = jobs.run("spark-submit", "--version")
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert "version 4.2.0" in shown.stdout + shown.stderr
    called = jobs.run("python", "jobs/ingest.py", "--help")
    assert (called.returncode, called.stdout.split()[:2]) == (0, ["usage:", "ingest.py"])
    every = jobs.run("python", "-c", JOBS)
    assert every.returncode == 0, every.stderr[-2000:]
    assert "jobs/register.py" in every.stdout


def test_every_module_can_be_imported(jobs: Container) -> None:
    done = jobs.run("python", "-c", MODULES)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.split()) > 200


def test_the_image_airflow_says_of_a_job_that_it_does_not_belong_there(airflow: Container) -> None:
    for command in ("python jobs/ingest.py --help", "python jobs/embed.py", "synalign refresh", "synalign up"):
        done = airflow.run(*command.split())
        assert done.returncode == 8, command
        assert not RAW.search(done.stderr), command
        assert "which is the image `jobs`" in done.stderr
    every = airflow.run("sh", "-c", "for file in jobs/*.py; do python $file --help; done")
    assert not RAW.search(every.stderr)
    late = "python jobs/generate.py --config dags/retrievers/demo.yaml --start 2026-02-28 --end 2026-03-01"
    assert not RAW.search(airflow.run(*late.split()).stderr)


def test_no_command_ends_with_a_traceback(either: Container) -> None:
    lines = "\n".join(f"echo '=== {command}'; synalign {command} </dev/null" for command in COMMANDS)
    done = either.run("sh", "-c", f"{{ {lines}\n}} 2>&1", user=UNKNOWN, seconds=500)
    assert done.stdout.count("===") == len(COMMANDS)
    assert not RAW.search(done.stdout), done.stdout
