"""Chat completions of the embedded writer through the real openai client, and requests that are not SynAlign's."""

from __future__ import annotations

import openai
import pytest

from synalign.config import Configuration
from synalign.generation.attributes import attributes_of, reason_request
from synalign.generation.demonstration_batches import Batch, Document, Shot, pieces
from synalign.generation.schemas import LatentAttributes, QueriesOfOne, WrittenQueries, json_schema
from synalign.generation.writing import write_request
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


def test_it_answers_both_requests_and_names_itself(client):
    reason = create(client, reason_request(BATCH, CONFIGURATION))
    attributes = LatentAttributes.model_validate_json(reason.choices[0].message.content)
    write = create(client, write_request(BATCH, attributes, CONFIGURATION))
    written = WrittenQueries.model_validate_json(write.choices[0].message.content)
    assert [entry.document for entry in written.documents] == [0, 1]
    assert all(len(entry.queries) == CONFIGURATION.generation.queries_per_document for entry in written.documents)
    for completion in (reason, write):
        assert (completion.model, completion.choices[0].finish_reason) == (MODEL, "stop")
        usage = completion.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


@pytest.mark.parametrize("shots", [0, 2])
def test_it_answers_about_one_document_in_the_form_of_what_it_was_shown(client, shots):
    """As small models are asked: so that the whole way can be tried without one."""
    generation = {"queries_per_document": 1, "prompts": {"family": "small", "shots": shots}}
    configuration = Configuration.model_validate(
        {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"},
         "generation": generation}
    )  # fmt: skip
    shown = tuple(Shot(query, Document(query, "", "about it")) for query in BATCH.demonstrations)
    for piece in pieces(BATCH._replace(shots=shown), configuration):
        request = write_request(piece, attributes_of(piece, None), configuration)
        completion = create(client, request)
        (query,) = QueriesOfOne.model_validate_json(completion.choices[0].message.content).queries
        assert query and query not in BATCH.demonstrations


def test_the_same_request_gets_the_same_bytes(client):
    first, second = (create(client, reason_request(BATCH, CONFIGURATION)).model_dump_json() for _ in range(2))
    assert first == second


def test_a_token_limit_truncates_and_says_so(client):
    completion = create(client, reason_request(BATCH, CONFIGURATION), max_completion_tokens=5)
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
        create(client, reason_request(BATCH, CONFIGURATION), messages=[{"role": "user", "content": "hello"}])
    with pytest.raises(openai.BadRequestError, match="streaming"):
        create(client, reason_request(BATCH, CONFIGURATION), stream=True)
