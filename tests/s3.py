"""An S3 server for tests: moto's, with puts under a condition made as atomic as a real one's.

moto looks whether the condition holds and puts in two steps, between which another request may come. A program that
needs a server as a process starts `python -m tests.s3 --port 9000 --bucket synalign`.
"""

from __future__ import annotations

import argparse
import http.client
import logging
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

HOST = "127.0.0.1"


class _OneAtATime:
    """A WSGI application that answers puts one after another; all else goes on beside them."""

    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._putting = threading.Lock()

    def __call__(self, environment: dict[str, Any], respond: Any) -> Iterable[bytes]:
        if environment["REQUEST_METHOD"] != "PUT":
            return self._application(environment, respond)
        with self._putting:
            return self._application(environment, respond)


def server(port: int = 0) -> BaseWSGIServer:
    """A server that is to be run; port 0 takes a free one, which its `port` names."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = DomainDispatcherApplication(create_backend_app)
    return make_server(HOST, port, _OneAtATime(application), threaded=True)


def make_bucket(port: int, name: str) -> None:
    """Make a bucket in a server that is running."""
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("PUT", f"/{name}")
    answer = connection.getresponse()
    connection.close()
    if answer.status != 200:
        raise RuntimeError(f"bucket {name}: {answer.status}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", action="append", default=[], help="made at the start; may be given several times")
    arguments = parser.parse_args()
    running = server(arguments.port)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    for name in arguments.bucket:
        make_bucket(running.port, name)
    print(f"http://{HOST}:{running.port}", flush=True)
    thread.join()


if __name__ == "__main__":
    main()
