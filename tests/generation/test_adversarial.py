"""Nothing that strangers type changes a prompt's structure or reaches another record."""

from __future__ import annotations

import json
import os
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from synalign.config import Configuration
from synalign.generation.attributes import attribute_rows, reason_request
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.journal import Entry, Journal
from synalign.generation.prompts import from_data
from synalign.generation.schemas import Attribute, LatentAttributes, WrittenQueries
from synalign.generation.writing import read_answer, write_request
from synalign.privacy import redact
from synalign.text.normal import normalise
from synalign.writer.language import describe, write_queries
from tests.adversarial import TEXTS

CONFIGURATION = Configuration.model_validate(
    {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
)
TAME = LatentAttributes(attributes=[Attribute(name="form", values_seen=["question"], values_generalised=["keywords"])])
GENERATION = CONFIGURATION.generation


def skeleton(messages: list[dict[str, str]]) -> list[str]:
    """The messages with the one line of data taken out."""
    assert [message["role"] for message in messages] == ["system", "user"]
    system, user = (message["content"] for message in messages)
    lines = user.split("\n")
    assert user.splitlines() == lines, "no text may bring a line end of any kind"
    opened, closed = lines.index("<data>"), lines.index("</data>")
    assert (user.count("<data>"), user.count("</data>"), closed) == (1, 1, opened + 2)
    assert lines[opened + 1].isprintable() and not set("<>&") & set(lines[opened + 1])
    return [system, *lines[: opened + 1], *lines[closed:]]


def check(text: str) -> None:
    """Build both requests with a text wherever text can come from, and compare them with tame ones."""
    shown = redact(text, GENERATION.redact, GENERATION.phone_regions)
    tame = Batch("b", ("plain",), (Document("d", "title", "text"),))
    hostile = Batch("b", (text,), (Document("d", text, text),))
    reason = reason_request(hostile, CONFIGURATION).messages
    assert skeleton(reason) == skeleton(reason_request(tame, CONFIGURATION).messages)
    assert from_data(reason[1]["content"]) == {"demonstrations": [shown]}
    named = TAME
    with suppress(ValidationError):
        named = LatentAttributes(
            attributes=[Attribute(name=text[:100], values_seen=[text[:300], "x"], values_generalised=[])]
        )
    write = write_request(hostile, named, CONFIGURATION).messages
    assert skeleton(write) == skeleton(write_request(tame, TAME, CONFIGURATION).messages)
    data = from_data(write[1]["content"])
    assert data["demonstrations"] == [shown] and len(data["documents"]) == 1
    assert len(data["documents"][0]["text"]) <= GENERATION.document_characters
    # What is written as JSON is plain UTF-8: lone surrogates come as escapes.
    json.dumps(write, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_changes_a_prompts_structure(name):
    check(TEXTS[name])


@settings(max_examples=150)
@given(st.text(st.characters(codec=None), max_size=200))
def test_no_text_at_all_does(text):
    check(text)


@pytest.mark.parametrize("name", TEXTS)
def test_a_batchs_data_holds_only_its_own_texts(name):
    secret = "another batch's secret"
    with_it = Batch("one", (secret,), (Document("d", secret, secret),))
    hostile = Batch("two", (TEXTS[name],), (Document("e", TEXTS[name], TEXTS[name]),))
    write_request(with_it, TAME, CONFIGURATION)
    for request in (reason_request(hostile, CONFIGURATION), write_request(hostile, TAME, CONFIGURATION)):
        assert secret not in json.dumps(request.messages)


@pytest.mark.parametrize("name", TEXTS)
def test_a_written_query_stays_with_its_document_and_its_id_is_its_own(name):
    batch = Batch("b", ("q",), (Document("zero", "", "x"), Document("one", "", "y")))
    try:
        answer = WrittenQueries.model_validate(
            {"documents": [{"document": 0, "queries": [TEXTS[name], "plain"]}, {"document": 1, "queries": ["plain"]}]}
        )
    except ValidationError:
        assert len(TEXTS[name]) > 20_000 or not TEXTS[name].isprintable()
        return
    written = read_answer(batch, "request", answer, CONFIGURATION)
    assert written.returned == 3 == len(written.candidates) + written.rejected.total()
    assert [row.document_id for row in written.candidates][-2:] == ["zero", "one"]
    assert len({row.candidate_id for row in written.candidates}) == len(written.candidates)
    for row in written.candidates:
        assert "\x1f" not in row.query and "\n" not in row.query and row.query == normalise(row.query)
        assert not any(
            "\u202a" <= character <= "\u202e" or character in "\u200b\u2066\u2069" for character in row.query
        )


@pytest.mark.parametrize("name", TEXTS)
def test_what_a_model_calls_its_attributes_stays_in_its_own_rows(name):
    text = TEXTS[name]
    with suppress(ValidationError):
        answer = LatentAttributes(
            attributes=[Attribute(name=text[:100], values_seen=[text[:300]], values_generalised=["tame"])]
        )
        for row in attribute_rows(Batch("b", ("q",), ()), "request", answer):
            assert (row.batch_id, row.request_id) == ("b", "request")
            assert not set("\n\r\x1f\u2028") & {*row.name, *row.value}


@pytest.mark.parametrize("name", TEXTS)
def test_the_embedded_writer_answers_whatever_it_is_shown(name):
    text = TEXTS[name][:20_000]
    named = describe({"demonstrations": [text, "how to clean"]})
    LatentAttributes.model_validate_json(json.dumps(named).encode("utf-8", "replace"))
    document = {"document": 0, "title": text[:300], "text": text[:1200], "combinations": [{"form": text}] * 2}
    data = {"queries_per_document": 2, "max_query_characters": 300, "demonstrations": [text]}
    write_queries({**data, "attributes": named["attributes"], "documents": [document]})


@pytest.mark.skipif(os.name != "posix", reason="a folder's path")
def test_a_journal_keeps_hostile_answers_one_by_one(tmp_path):
    import asyncio

    texts = {name: text[:20_000] for name, text in TEXTS.items() if "surrogates" not in name}

    async def fill() -> None:
        with Journal(tmp_path / "journal") as journal:
            for name, text in texts.items():
                await journal.add(Entry(name, text, "model", 1, 1, 0.1))

    asyncio.run(fill())
    with Journal(tmp_path / "journal") as journal:
        assert {name: journal.get(name).answer for name in texts} == texts
