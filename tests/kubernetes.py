"""A double of Kubernetes' API, as far as Airflow's operator of pods uses it; no cluster can be had on every machine.

A pod's first container is run as a process of this machine, with the environment that its specification names and
nothing else. It has no file system of its own: `/dev/termination-log` in its environment becomes a file of the test.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

TERMINATION_LOG = "/dev/termination-log"
MOST_BYTES = 4096
"""Of a termination message, as Kubernetes keeps it."""

_POD = re.compile(r"/api/v1/namespaces/(?P<namespace>[\w-]+)/pods(?:/(?P<name>[\w.-]+))?(?P<log>/log)?")


class Cluster:
    """The pods of a double.

    Attributes:
        created: Specifications of all pods that were asked for, in order.
        url: Address of the API.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.created: list[dict[str, Any]] = []
        self.pods: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.url = ""

    @property
    def connection(self) -> str:
        """The Airflow connection to it, as JSON."""
        name = {"name": "test"}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{**name, "cluster": {"server": self.url}}],
            "contexts": [{**name, "context": {"cluster": "test", "user": "test", "namespace": "default"}}],
            "users": [{**name, "user": {}}],
        }  # fmt: skip
        return json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(config)}})

    def create(self, namespace: str, pod: dict[str, Any]) -> dict[str, Any]:
        """Run a pod to its end."""
        self.created.append(pod)
        name = pod["metadata"]["name"]
        container = pod["spec"]["containers"][0]
        termination = self.folder / f"{name}.termination"
        given = {entry["name"]: entry.get("value", "") for entry in container.get("env") or []}
        variables = {key: value.replace(TERMINATION_LOG, str(termination)) for key, value in given.items()}
        command = [*(container.get("command") or []), *(container.get("args") or [])]
        done = subprocess.run(
            command, env={"PATH": os.environ["PATH"], **variables}, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder,
        )  # fmt: skip
        self.logs[name] = done.stdout
        message = termination.read_text()[-MOST_BYTES:] if termination.exists() else ""
        ended = {
            "exitCode": done.returncode,
            "message": message,
            "reason": "Completed" if not done.returncode else "Error",
        }
        self.pods[name] = {
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {**pod["metadata"], "namespace": namespace, "uid": name},
            "spec": pod["spec"],
            "status": {
                "phase": "Failed" if done.returncode else "Succeeded",
                "containerStatuses": [{
                    "name": container["name"], "ready": False, "restartCount": 0, "image": container.get("image", ""),
                    "imageID": "", "state": {"terminated": ended},
                }],
            },
        }  # fmt: skip
        return self.pods[name]

    def listed(self, selector: str) -> list[dict[str, Any]]:
        """Return the pods that have some labels."""
        wanted = [part.partition("=")[::2] for part in selector.split(",") if "=" in part and "!=" not in part]
        return [
            pod for pod in self.pods.values()
            if all(pod["metadata"]["labels"].get(key) == value for key, value in wanted)
        ]  # fmt: skip


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Serve a double on loopback."""
    with tempfile.TemporaryDirectory() as folder:
        state = Cluster(Path(folder))
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
        state.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield state
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    state: ClassVar[Cluster]

    def _asked(self) -> tuple[re.Match[str] | None, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return _POD.fullmatch(parts.path), parse_qs(parts.query)

    def _answer(self, content: Any, status: int = 200) -> None:
        plain = isinstance(content, str)
        body = content.encode() if plain else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if plain else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _missing(self) -> None:
        self._answer({"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}, 404)

    def do_GET(self) -> None:
        pod, query = self._asked()
        if "/batches/" in self.path:
            # Beside the cluster, a provider of models that knows no batch any more.
            self._missing()
        elif pod is None:
            # Events, of which there are none.
            self._answer({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": []})
        elif pod["name"] is None:
            items = self.state.listed(query.get("labelSelector", [""])[0])
            self._answer({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items})
        elif pod["name"] not in self.state.pods:
            self._missing()
        else:
            self._answer(self.state.logs[pod["name"]] if pod["log"] else self.state.pods[pod["name"]])

    def do_POST(self) -> None:
        pod, _ = self._asked()
        assert pod is not None
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(self.state.create(pod["namespace"], content), 201)

    def do_PATCH(self) -> None:
        pod, _ = self._asked()
        assert pod is not None
        patch = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.state.pods[pod["name"]]["metadata"]["labels"].update(patch["metadata"]["labels"])
        self._answer(self.state.pods[pod["name"]])

    def do_DELETE(self) -> None:
        pod, _ = self._asked()
        assert pod is not None
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(self.state.pods.pop(pod["name"], {}))

    def log_message(self, *given: Any) -> None:
        pass
