"""The embedded writer through the real openai client, and what it does with requests that are not SynAlign's."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import urllib.request

import openai
import pytest

from synalign.config import Configuration
from synalign.generation.attributes import reason_request
from synalign.generation.batches import Batch, Document
from synalign.generation.schemas import LatentAttributes, WrittenQueries, json_schema
from synalign.generation.writer_server import MODEL, embedded_writer
from synalign.generation.writing import write_request

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


@pytest.fixture(scope="module")
def url():
    with embedded_writer() as url:
        yield url


@pytest.fixture(scope="module")
def client(url):
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=10) as client:
        yield client


def create(client, request, **parameters):
    schema = {"name": request.schema_name, "strict": True, "schema": json_schema(request.answer)}
    form = {"type": "json_schema", "json_schema": schema}
    return client.chat.completions.create(
        **{"model": "any", "messages": request.messages, "response_format": form, **parameters}
    )


def test_it_answers_both_requests_and_names_itself(client):
    reason = create(client, reason_request(BATCH))
    attributes = LatentAttributes.model_validate_json(reason.choices[0].message.content)
    write = create(client, write_request(BATCH, attributes, CONFIGURATION))
    written = WrittenQueries.model_validate_json(write.choices[0].message.content)
    assert [entry.document for entry in written.documents] == [0, 1]
    assert all(len(entry.queries) == CONFIGURATION.generation.queries_per_document for entry in written.documents)
    for completion in (reason, write):
        assert (completion.model, completion.choices[0].finish_reason) == (MODEL, "stop")
        usage = completion.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


def test_the_same_request_gets_the_same_bytes(client):
    first, second = (create(client, reason_request(BATCH)).model_dump_json() for _ in range(2))
    assert first == second


def test_a_token_limit_truncates_and_says_so(client):
    completion = create(client, reason_request(BATCH), max_completion_tokens=5)
    assert (completion.choices[0].finish_reason, completion.usage.completion_tokens) == ("length", 5)


def test_anything_else_gets_an_honest_refusal(client):
    message = "I am no language model; I only answer SynAlign's two requests"
    with pytest.raises(openai.BadRequestError, match=message):
        client.chat.completions.create(model="any", messages=[{"role": "user", "content": "hello"}])
    form = {"type": "json_schema", "json_schema": {"name": "poem", "schema": {"type": "object"}}}
    with pytest.raises(openai.BadRequestError, match=message):
        client.chat.completions.create(
            model="any", messages=[{"role": "user", "content": "hello"}], response_format=form
        )
    with pytest.raises(openai.BadRequestError, match="data block"):
        create(client, reason_request(BATCH), messages=[{"role": "user", "content": "hello"}])
    with pytest.raises(openai.BadRequestError, match="streaming"):
        create(client, reason_request(BATCH), stream=True)


def test_it_lists_one_model_and_its_health(client, url):
    assert [model.id for model in client.models.list()] == [MODEL]
    with urllib.request.urlopen(url.removesuffix("/v1") + "/health") as response:
        assert json.load(response) == {"status": "ok", "model": MODEL}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/v1/chat/completions", None, {}, 405),
        ("POST", "/v1/models", b"{}", {}, 405),
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


def test_as_a_process_it_prints_its_url_and_ends_cleanly_on_sigterm():
    command = [sys.executable, "-m", "synalign.generation.writer_server", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        line = process.stdout.readline()
        url = line.split()[-1]
        assert url.startswith("http://127.0.0.1:") and url.endswith("/v1")
        with urllib.request.urlopen(url.removesuffix("/v1") + "/health") as response:
            assert response.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stdout.read() == ""
