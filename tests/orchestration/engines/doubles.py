"""Doubles of what starts a Spark driver on another machine; none of the real ones can be had here.

Each really runs the application, as its driver would be run there: in an environment that has nothing of Airflow's
worker but what the task passed on by the documented way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_KEPT = ("PATH", "PYTHONPATH", "JAVA_HOME", "HF_HUB_OFFLINE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
         "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3", "SPARK_LOCAL_IP", "PYSPARK_SUBMIT_ARGS")  # fmt: skip
"""What a cluster's own environment has: an image with SynAlign, and keys to the storage."""


def environment() -> dict[str, str]:
    """That of a driver on another machine."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


SUBMIT = '''#!{python}
"""A double of spark-submit in cluster mode."""
import json, os, subprocess, sys
words = sys.argv[1:]
with open("{folder}/submitted.jsonl", "a") as file:
    file.write(json.dumps(words) + "\\n")
conf = dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "--conf")
given = {{}}
for key, value in conf.items():
    for prefix in ("spark.yarn.appMasterEnv.", "spark.kubernetes.driverEnv."):
        if key.startswith(prefix):
            given[key.removeprefix(prefix)] = value
at = next(at for at, word in enumerate(words) if word.endswith("application.py"))
print("INFO yarn.Client: Submitted application application_1700000000000_0001", flush=True)
kept = {kept!r}
environment = {{name: os.environ[name] for name in kept if name in os.environ}} | given
command = [sys.executable, words[at].removeprefix("local://"), *words[at + 1 :]]
done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True)
sys.stderr.write(done.stderr)
print("INFO exit code: " + str(done.returncode), flush=True)
open("{folder}/ended", "w").write(str(done.returncode))
sys.exit(0 if conf.get("spark.yarn.submit.waitAppCompletion") == "false" else done.returncode)
'''


def spark_submit(folder: Path) -> Path:
    """Write a double of spark-submit into a folder for the PATH; it notes its words in `submitted.jsonl`."""
    program = folder / "spark-submit"
    program.write_text(SUBMIT.format(python=sys.executable, folder=folder, kept=_KEPT))
    program.chmod(0o755)
    return program


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        return

    def answer(self, content: Any, status: int = 200) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Livy:
    """A double of Apache Livy's REST API for batches (its page "REST API", `/batches`)."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.running: list[subprocess.Popen[str]] = []
        livy = self

        class Handler(_Handler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                livy.asked.append(asked)
                command = [sys.executable, asked["file"].removeprefix("local://"), *asked["args"]]
                livy.running.append(
                    subprocess.Popen(
                        command, env=environment(), cwd="/", text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
                    )
                )
                self.answer(livy.batch(len(livy.running) - 1), 201)

            def do_GET(self) -> None:
                _, _, number, *rest = self.path.split("?")[0].split("/")
                batch = livy.batch(int(number))
                if rest == ["log"]:
                    self.answer({"id": batch["id"], "from": 0, "total": 0, "log": []})
                else:
                    self.answer(batch)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def batch(self, number: int) -> dict[str, Any]:
        """A batch as Livy shows it."""
        code = self.running[number].poll()
        state = "running" if code is None else "success" if code == 0 else "dead"
        return {"id": number, "state": state, "appId": f"application_{number}", "appInfo": {}, "log": []}


class ResourceManager:
    """A double of the REST API of YARN's resource manager, for what the double of spark-submit starts."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        manager = self

        class Handler(_Handler):
            def do_GET(self) -> None:
                manager.asked.append(self.path)
                ended = folder / "ended"
                final = "UNDEFINED" if not ended.exists() else "SUCCEEDED" if ended.read_text() == "0" else "FAILED"
                state = "RUNNING" if final == "UNDEFINED" else "FINISHED"
                self.answer({"app": {"state": state, "finalStatus": final, "diagnostics": ""}})

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
