"""The few calls of Airflow's REST API with which the demo triggers a read-out, follows it, and answers its question."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar

from synalign.errors import SetupError

T = TypeVar("T")
OVER = ("success", "failed")
_SECONDS = 60.0


class AirflowApi:
    """A user's session with an Airflow API server.

    Args:
        url: Its address, such as `http://127.0.0.1:8080`.
        user: Name.
        password: Password.

    Raises:
        SetupError: It does not answer, or refuses the user.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._token = ""
        login = self._call("POST", "/auth/token", {"username": user, "password": password})
        self._token = str(login["access_token"])

    def dags(self) -> set[str]:
        """Return the ids of all DAGs that Airflow knows."""
        found = self._call("GET", "/api/v2/dags?limit=1000&exclude_stale=true")
        return {str(dag["dag_id"]) for dag in found["dags"]}

    def trigger(self, dag: str, run: str, logical_date: str) -> None:
        """Start a run of a DAG for the data interval that ends at a time; a paused DAG is let go.

        Args:
            dag: Id of the DAG.
            run: Id of the run.
            logical_date: ISO 8601 with time zone.
        """
        body = {"logical_date": logical_date, "run_after": logical_date, "dag_run_id": run}
        # In the queue before the DAG is let go: it comes before the run that the schedule adds.
        self._call("POST", f"/api/v2/dags/{dag}/dagRuns", body)
        self._call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})

    def state(self, dag: str, run: str) -> str:
        """Return the state of a run: `queued`, `running`, `success` or `failed`."""
        return str(self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"])

    def tasks(self, dag: str, run: str) -> dict[str, str | None]:
        """Return the state of every task of a run."""
        found = self._call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def questions(self, dag: str, run: str) -> list[dict[str, Any]]:
        """Return the questions of a run that wait for a person, each with `subject` and `body`."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/hitlDetails?response_received=false"
        return list(self._call("GET", path)["hitl_details"])

    def answer(self, dag: str, run: str, option: str) -> None:
        """Answer the question of the task `approve`: `Approve` or `Reject`."""
        path = f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
        self._call("PATCH", path, {"chosen_options": [option]})

    def clear(self, dag: str, run: str, tasks: list[str]) -> None:
        """Run tasks of a finished run again."""
        body = {"dry_run": False, "only_failed": False, "dag_run_id": run, "task_ids": tasks}
        self._call("POST", f"/api/v2/dags/{dag}/clearTaskInstances", body)

    def get(self, path: str) -> Any:
        """Return what Airflow answers at a path of its API, such as `importErrors`."""
        return self._call("GET", f"/api/v2/{path}")

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as response:
                return json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            raise SetupError(f"Airflow refused {method} {path}: {error.code} {said}.") from error
        except OSError as error:
            raise SetupError(f"Airflow at {self.url} does not answer: {error}.", remedy="is it up?") from error


def wait_for(look: Callable[[], T | None], what: str, seconds: float) -> T:
    """Call a function once a second until it returns something.

    Raises:
        SetupError: There was nothing for so many seconds.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(1.0)
    raise SetupError(f"waited {seconds:.0f} s for {what}, in vain.", cause="the machine is busy, or a task hangs",
                     remedy="the logs of the services say more")  # fmt: skip
