"""The embedded writer's files and batches, through the real openai client."""

from __future__ import annotations

import json
import time

import openai
import pytest

from synalign.config import Configuration
from synalign.generation.attributes import reason_request
from synalign.generation.demonstration_batches import Batch
from synalign.generation.request import parameters
from synalign.writer.faults import NO_FAULTS, Faults
from synalign.writer.server import embedded_writer

CONFIGURATION = Configuration.model_validate(
    {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
)
BODY = parameters(reason_request(Batch("b", ("how to clean a kettle", "descale"), ()), CONFIGURATION), CONFIGURATION)


def line(number, **changes):
    return {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": BODY, **changes}


def as_file(*lines):
    return "".join(json.dumps(each) + "\n" for each in lines).encode()


@pytest.fixture
def make_client():
    """A client of a writer of its own."""
    opened = []

    def make(faults=NO_FAULTS):
        writer = embedded_writer(0, faults)
        client = openai.OpenAI(base_url=writer.__enter__(), api_key="none", max_retries=0, timeout=10)
        opened.append((writer, client))
        return client

    yield make
    for writer, client in opened:
        client.close()
        writer.__exit__(None, None, None)


def submit(client, content, **metadata):
    file = client.files.create(file=("input.jsonl", content), purpose="batch")
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata=metadata
    )


def read(client, file_id):
    return [json.loads(each) for each in client.files.content(file_id).content.splitlines()]


def test_a_batch_answers_as_the_endpoint_itself_does(make_client):
    client = make_client(Faults(batch_seconds=0.3))
    batch = submit(client, as_file(line(1), line(2)), digest="d")
    assert (batch.status, batch.metadata) == ("in_progress", {"digest": "d"})
    while (batch := client.batches.retrieve(batch.id)).status == "in_progress":
        assert batch.output_file_id is None
        time.sleep(0.05)
    assert (batch.status, batch.error_file_id, batch.request_counts.completed) == ("completed", None, 2)
    lines = read(client, batch.output_file_id)
    assert [each["custom_id"] for each in lines] == ["r1", "r2"]
    direct = json.loads(client.chat.completions.with_raw_response.create(**BODY).content)
    assert lines[0]["response"]["body"] == direct
    assert lines[0]["response"]["status_code"] == 200


def test_an_uploaded_file_comes_back_byte_for_byte(make_client):
    client = make_client()
    content = 'ü\r\n--x\n\u2028"\x00\x0b\x85 filename="y"\r\n\r\n'.encode() + bytes(range(256)) + b"\r\n"
    file = client.files.create(file=("näme.jsonl", content), purpose="batch")
    assert client.files.content(file.id).content == content
    assert client.files.retrieve(file.id).bytes == len(content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]\n",
        as_file(line(1), line(1)),
        as_file(line(1, url="/v1/embeddings")),
        b"\xff\xfe\n",
        b"[" * 9999,
    ],
)
def test_a_file_that_is_no_batch_fails_validation(make_client, content):
    client = make_client(Faults(batch_seconds=0.0))
    batch = client.batches.retrieve(submit(client, content).id)
    assert (batch.status, batch.output_file_id) == ("failed", None)
    assert batch.errors.data[0].code == "invalid_json_line"


def test_a_request_that_is_not_ours_goes_to_the_error_file(make_client):
    client = make_client(Faults(batch_seconds=0.0))
    batch = client.batches.retrieve(submit(client, as_file(line(1), line(2, body={"messages": []}))).id)
    assert (batch.request_counts.completed, batch.request_counts.failed) == (1, 1)
    (bad,) = read(client, batch.error_file_id)
    assert (bad["custom_id"], bad["response"]["status_code"]) == ("r2", 400)


def test_an_expired_batch_is_half_done_and_says_which_half(make_client):
    client = make_client(Faults({"batch-expiry": 1.0}, batch_seconds=0.0))
    batch = client.batches.retrieve(submit(client, as_file(*map(line, range(5)))).id)
    assert batch.status == "expired"
    assert [each["custom_id"] for each in read(client, batch.output_file_id)] == ["r0", "r1"]
    missing = read(client, batch.error_file_id)
    assert [each["custom_id"] for each in missing] == ["r2", "r3", "r4"]
    assert {(each["error"]["code"], each["response"]) for each in missing} == {("batch_expired", None)}


def test_batches_are_listed_newest_first_over_pages_and_can_be_cancelled(make_client):
    client = make_client(Faults(batch_seconds=600.0))
    made = [submit(client, as_file(line(n))).id for n in range(5)]
    assert [batch.id for batch in client.batches.list(limit=2)] == made[::-1]
    assert client.batches.cancel(made[0]).status == "cancelled"
    assert client.batches.retrieve(made[0]).status == "cancelled"


def test_what_is_not_there_or_not_right_gets_an_error(make_client):
    client = make_client()
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_nothing")
    with pytest.raises(openai.NotFoundError):
        client.files.content("file-nothing")
    with pytest.raises(openai.BadRequestError):
        client.files.create(file=("x", b"x"), purpose="fine-tune")
    with pytest.raises(openai.BadRequestError):
        submit(client, as_file(line(1)), **{"k" * 65: "v"})
    with pytest.raises(openai.BadRequestError):
        client.post("/files", body={"not": "a form"}, cast_to=object)
