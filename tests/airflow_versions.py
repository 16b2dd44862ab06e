"""Environments of the Airflow versions that the DAGs are to load under, beside the one of `.venv`.

python -m tests.airflow_versions FOLDER     makes FOLDER/3.0, FOLDER/3.1 and so on; one that is there stays
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

VERSIONS = ("3.0", "3.1", "3.2")
NEWEST = {"3.0": "3.0.6", "3.1": "3.1.8", "3.2": "3.2.2"}
"""Of each the release whose published constraints are taken."""

CONSTRAINTS = "https://raw.githubusercontent.com/apache/airflow/constraints-{release}/constraints-{python}.txt"
# What SynAlign's light part asks for; without versions, so that Airflow's constraints can choose.
LIGHT = (
    "pydantic",
    "PyYAML",
    "typer",
    "rich",
    "psutil",
    "packaging",
    "croniter",
    "tzdata",
    "httpx",
    "attrs",
    "asgiref",
)
PROVIDERS = ("apache-airflow-providers-apache-spark", "apache-airflow-providers-smtp")


def python(folder: Path, version: str) -> Path:
    """Return the interpreter of a version's environment."""
    return folder / version / "bin" / "python"


def constraints(folder: Path, version: str) -> Path | None:
    """Fetch Airflow's published constraints; None where only package registries can be reached."""
    address = CONSTRAINTS.format(release=NEWEST[version], python=f"{sys.version_info.major}.{sys.version_info.minor}")
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            content = answer.read()
    except (OSError, urllib.error.URLError):
        return None
    file = folder / f"constraints-{version}.txt"
    file.write_bytes(content)
    return file


def build(folder: Path, version: str) -> None:
    """Make the environment of a version, unless it is there."""
    done = folder / version / "done"
    if done.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder / version)], check=True)
    known = constraints(folder, version)
    if known is None:
        print(f"Airflow's constraints cannot be reached: the resolver chooses what Airflow {version} gets.")
    wanted = [f"apache-airflow=={NEWEST[version]}", *PROVIDERS, *LIGHT]
    pip = [str(python(folder, version)), "-m", "pip", "install", "-qq", "--no-compile"]
    subprocess.run([*pip, *(("--constraint", str(known)) if known else ()), *wanted], check=True)
    done.touch()


if __name__ == "__main__":
    for each in VERSIONS:
        build(Path(sys.argv[1]).resolve(), each)
