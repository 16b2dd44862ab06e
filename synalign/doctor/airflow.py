"""Airflow's database, by Airflow's own check."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

from synalign import config
from synalign.doctor.finding import Case, Skipped
from synalign.errors import SetupError
from synalign.local import services

SECONDS = 180
_OWN = ("AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD")


def database(case: Case) -> str:
    """Check that Airflow reaches its database: the environment's, else the one in `$SYNALIGN_HOME`.

    Raises:
        SetupError: Airflow cannot use it.
    """
    if importlib.util.find_spec("airflow") is None:
        raise Skipped("Airflow is not installed here; its own machine can be asked")
    own = any(os.environ.get(name) for name in _OWN)
    file = config.home() / "airflow" / "airflow.db"
    if not own and not file.exists():
        return f"no database at {file} yet; the first refresh makes it"
    variables = dict(os.environ) if own else services.environment(services.Ports.from_environment(), servers=False)
    # The embedded one is migrated by every refresh; another is its owner's to migrate.
    asked = ["check-migrations", "--migration-wait-timeout", "0"] if own else ["check"]
    command = [sys.executable, "-m", "airflow", "db", *asked]
    try:
        done = subprocess.run(
            command, env=variables, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise _trouble(f"`airflow db {asked[0]}` did not end within {SECONDS} s.", own) from error
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if "Error" in line]
        raise _trouble(f"Airflow cannot use its database: {(lines or ['no reason given'])[-1][:300]}", own)
    return "the database of this environment's Airflow is there, and migrated" if own else f"{file} answers"


def _trouble(message: str, own: bool) -> SetupError:
    remedy = (
        "check AIRFLOW__DATABASE__SQL_ALCHEMY_CONN and the database itself; `airflow db migrate` makes a new one"
        if own
        else "`synalign down`, move that file away, and refresh again: only Airflow's own history is in it"
    )
    return SetupError(message, remedy=remedy)
