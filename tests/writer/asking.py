"""One request to an embedded writer, through the real openai client or as bytes, and the counts of the writer."""

from __future__ import annotations

import http.client
import json
import urllib.request

import openai

from synalign.config import Configuration
from synalign.generation.attributes import reason_request
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.schemas import json_schema

CONFIGURATION = Configuration.model_validate(
    {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
)
BATCH = Batch("b", ("how to descale a kettle", "kettle smells"), (Document("d", "Kettle", "Hot."),))
REQUEST = reason_request(BATCH, CONFIGURATION)


def faults_at(url):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/faults") as response:
        return json.load(response)


def create(url, **options):
    schema = {"name": REQUEST.schema_name, "strict": True, "schema": json_schema(REQUEST.answer)}
    form = {"type": "json_schema", "json_schema": schema}
    with openai.OpenAI(base_url=url, api_key="none", **{"max_retries": 0, "timeout": 10, **options}) as client:
        return client.chat.completions.create(model="any", messages=REQUEST.messages, response_format=form)


def body():
    schema = {"name": REQUEST.schema_name, "strict": True, "schema": json_schema(REQUEST.answer)}
    form = {"type": "json_schema", "json_schema": schema}
    return json.dumps({"model": "any", "messages": REQUEST.messages, "response_format": form}).encode()


def post(url, content):
    connection = http.client.HTTPConnection(url.split("/")[2], timeout=10)
    try:
        connection.request("POST", "/v1/chat/completions", content)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
