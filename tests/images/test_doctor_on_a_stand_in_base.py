"""`synalign doctor` in both images, by whomever and however it is run.

Built on Debian's Python: what is tested is not the official base image.
Commands run without a terminal and, as in `docker compose exec`, without the entry point.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.images.buildah import RAW, UNKNOWN, Container
from tests.production.compose import DOCKER, configuration

OF_JOBS = {"java", "spark", "encoder", "model", "mlflow", "journal", "memory"}


def examined(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """Return the findings of `synalign doctor --json` by check, and under `ready` the verdict."""
    assert not RAW.search(done.stdout + done.stderr), done.stderr[-2000:]
    found = json.loads(done.stdout)
    return {"ready": found["ready"], **{check["check"]: check for check in found["checks"]}}


def failed(found: dict[str, Any]) -> dict[str, str]:
    """Return what failed and what to do about it, by check."""
    checks = {name: check for name, check in found.items() if name != "ready"}
    return {name: f"{at['found']} {at['remedy']}" for name, at in checks.items() if at["state"] == "fail"}


@pytest.mark.parametrize("user", ["50000:0", UNKNOWN])
def test_without_a_file_it_finds_the_image_of_the_jobs_ready(jobs: Container, user: str) -> None:
    done = jobs.run("synalign", "doctor", "--json", user=user)
    found = examined(done)
    assert (done.returncode, failed(found)) == (0, {})
    assert found["ready"]
    assert {found[name]["state"] for name in ("java", "spark", "encoder", "model", "mlflow")} == {"pass"}


@pytest.mark.parametrize("user", ["50000:0", UNKNOWN])
def test_it_says_what_the_image_airflow_is_for_and_where_to_ask(airflow: Container, user: str) -> None:
    done = airflow.run("synalign", "doctor", "--json", user=user)
    found = examined(done)
    assert (done.returncode, found["ready"], set(failed(found))) == (8, False, {"packages"})
    assert "reads DAG files and serves Airflow's pages" in found["packages"]["found"]
    assert "docker compose exec scheduler synalign" in found["packages"]["remedy"]
    assert {found[name]["state"] for name in OF_JOBS} == {"skipped"}


@pytest.mark.parametrize(
    ("variables", "user"),
    [
        ({"HOME": "", "USER": "", "SYNALIGN_HOME": ".synalign"}, UNKNOWN),
        ({"HOME": "/nowhere", "LANG": "C"}, UNKNOWN),
        ({"HOME": "/root", "LC_ALL": "POSIX", "LANG": ""}, "50000:0"),
    ],
    ids=str,
)
def test_it_needs_neither_a_home_nor_a_name_nor_a_locale(jobs: Container, variables: dict[str, str], user: str) -> None:
    unset = [f"--unset={name}" for name, value in variables.items() if not value]
    command = "cd /tmp && exec synalign doctor --json"
    found = examined(jobs.run("env", *unset, "sh", "-c", command, user=user, variables=variables))
    assert failed(found) == {}


@pytest.mark.parametrize(
    ("folder", "user"), [("/tmp", "50000:0"), ("/tmp", UNKNOWN), ("/var/lib/synalign", UNKNOWN), ("/home", UNKNOWN)]
)
def test_where_it_may_not_write_it_says_where_and_what_to_do(
    either: Container, folder: str, user: str, tmp_path: Path
) -> None:
    """As with a read-only root file system without a tmpfs, or with volumes of another owner."""
    tmp_path.chmod(0o755)
    done = either.run("synalign", "doctor", "--json", user=user, volumes=[f"{tmp_path}:{folder}:ro"])
    if done.returncode == 78:
        assert f"entrypoint: {folder} cannot be written to; mount a tmpfs there" in done.stderr
        return
    for name, said in failed(examined(done)).items():
        assert name == "packages" or re.search(r"TMPDIR|SYNALIGN_HOME|shows all that Spark prints", said), said


def test_beside_a_service_it_has_the_secrets_of_that_service(jobs: Container, tmp_path: Path) -> None:
    """`docker compose exec scheduler synalign doctor`: with compose.yaml's variables alone."""
    subprocess.run([sys.executable, DOCKER / "make_secrets.py", tmp_path / "secrets"], check=True, capture_output=True)
    for folder in (tmp_path, tmp_path / "secrets"):
        folder.chmod(0o755)
    given = dict.fromkeys(("RETRIEVERS", "DATA"), str(tmp_path)) | {"SECRETS": str(tmp_path), "IMAGE_TAG": "test"}
    environment = configuration(given)["services"]["scheduler"]["environment"]
    # The other services do not run here: their addresses are ones where nobody listens.
    variables = {
        name: re.sub(r"://[a-z][\w-]+:\d+", "://127.0.0.1:9", str(value)) for name, value in environment.items()
    }
    variables |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "localhost"}
    volumes = [f"{tmp_path}/secrets:/run/secrets:ro"]
    done = jobs.run("synalign", "doctor", "--json", variables=variables, volumes=volumes)
    found = examined(done)
    assert done.returncode == 8
    for name in ("packages", "java", "spark", "encoder", "model", "memory"):
        assert found[name]["state"] == "pass", found[name]
    # The keys are there, and the server is not.
    assert "127.0.0.1:9" in found["storage"]["found"]
    assert "127.0.0.1:9" in found["mlflow"]["found"]
    away = jobs.run("synalign", "doctor", variables=variables)
    assert (away.returncode, away.stdout) == (78, "")
    assert re.match(r"entrypoint: /run/secrets/\w+ is missing or empty; .*make_secrets.py makes it\n", away.stderr)
