"""The embedded writer as a server: its connections, its errors, its counts, its process."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from synalign.config import Configuration
from synalign.generation.attributes import reason_request
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.schemas import json_schema
from synalign.writer.server import MODEL

BATCH = Batch(
    "b",
    ("how to clean a dishwasher filter", "dishwasher not draining", "how often to descale a kettle"),
    (
        Document("d0", "Espresso machine", "The espresso machine brews at nine bar. Rinse the brew group every week."),
        Document("d1", "", "def read_json_file(path):\n    return json.load(open(path))"),
    ),
)


CONFIGURATION = Configuration.model_validate(
    {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
)


def create(client, request, **parameters):
    schema = {"name": request.schema_name, "strict": True, "schema": json_schema(request.answer)}
    form = {"type": "json_schema", "json_schema": schema}
    return client.chat.completions.create(
        **{"model": "any", "messages": request.messages, "response_format": form, **parameters}
    )


def test_it_lists_one_model_and_its_health(client, url):
    assert [model.id for model in client.models.list()] == [MODEL]
    with urllib.request.urlopen(url.removesuffix("/v1") + "/health") as response:
        assert json.load(response) == {"status": "ok", "model": MODEL}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/v1/chat/completions", None, {}, 405),
        ("POST", "/v1/models", b"{}", {}, 405),
        ("POST", "/faults", b"{}", {}, 405),
        ("DELETE", "/health", None, {}, 405),
        ("GET", "/v1/nothing", None, {}, 404),
        ("POST", "/v1/chat/completions", b"{", {}, 400),
        ("POST", "/v1/chat/completions", b"[]", {}, 400),
        ("POST", "/v1/chat/completions", b'{"messages": ["x"]}', {}, 400),
        ("POST", "/v1/chat/completions", b"[" * 100_000, {}, 400),
        ("POST", "/v1/chat/completions", None, {"Content-Length": str(2**40)}, 413),
        ("POST", "/v1/chat/completions", None, {"Content-Length": "many"}, 411),
        ("POST", "/v1/chat/completions", None, {"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_malformed_requests_get_errors_in_openais_shape(url, method, path, body, headers, status):
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=10)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    assert response.status == status
    assert set(json.load(response)["error"]) == {"message", "type", "param", "code"}
    connection.close()


def test_a_connection_is_kept_alive_over_errors(url):
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=10)
    for path, status in (("/v1/nothing", 404), ("/health", 200), ("/health", 200)):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        assert response.status == status
        port = connection.sock.getsockname()[1]
    assert connection.sock.getsockname()[1] == port
    connection.close()


def test_a_client_that_goes_away_in_the_middle_is_no_request_and_no_noise(url, capfd):
    port = int(url.split(":")[2].removesuffix("/v1"))
    for sent in (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 99\r\n\r\n{half", b""):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100) == b""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/faults") as response:
        counts = json.load(response)
    assert hashlib.sha256(b"{half").hexdigest() not in counts["tries"] and counts["in_flight"] == 0
    assert capfd.readouterr().err == ""


def test_without_faults_it_says_so_and_counts(client, url):
    def counts():
        with urllib.request.urlopen(url.removesuffix("/v1") + "/faults") as response:
            return json.load(response)

    before = counts()
    assert before["faults"]["rates"] == {} and before["faults"]["latency"] == 0
    create(client, reason_request(BATCH, CONFIGURATION), temperature=0.123)
    after = counts()
    assert sum(after["paid"].values()) == sum(before["paid"].values()) + 1
    assert after["received"] == before["received"] + 1


def test_it_keeps_up_with_hundreds_of_requests_a_second(url):
    body = json.dumps({"messages": [{"role": "user", "content": "x"}]}).encode()

    def ask(_):
        connection = http.client.HTTPConnection(url.split("/")[2], timeout=30)
        for _ in range(50):
            connection.request("POST", "/v1/chat/completions", body)
            assert connection.getresponse().read()
        connection.close()

    started = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(ask, range(16)))
    # 800 in all, with this client in the same process on a busy machine.
    assert time.monotonic() - started < 8


def test_as_a_process_it_prints_its_url_and_ends_cleanly_on_sigterm():
    command = [sys.executable, "-m", "synalign.writer.server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        line = process.stdout.readline()
        url = line.split()[-1]
        assert url.startswith("http://127.0.0.1:") and url.endswith("/v1")
        with urllib.request.urlopen(url.removesuffix("/v1") + "/health") as response:
            assert response.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""
