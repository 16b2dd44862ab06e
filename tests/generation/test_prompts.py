"""Users' text is data: nothing in it changes what a prompt is made of."""

from __future__ import annotations

import hashlib
import json
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.config import Configuration
from synalign.generation.attributes import reason_request
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.prompts import as_data, from_data, render
from synalign.generation.schemas import Attribute, LatentAttributes
from synalign.generation.writing import redacted_in, write_request
from synalign.privacy import redact
from synalign.prompts.templates import digests, prompt_version

CONFIGURATION = Configuration.model_validate(
    {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
)
ATTRIBUTES = LatentAttributes(attributes=[Attribute(name="form", values_seen=["question"], values_generalised=[])])


def test_version_is_the_start_of_the_sha256_of_the_template():
    for kind in ("reason", "write"):
        content = resources.files("synalign.prompts").joinpath(f"large/{kind}.txt").read_bytes()
        assert prompt_version(kind, CONFIGURATION) == hashlib.sha256(content).hexdigest()[:12]
        assert digests(CONFIGURATION)[f"prompts/{kind}"] == hashlib.sha256(content).hexdigest()


@settings(max_examples=200)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_the_data_block_as_it_was_but_for_personal_data(text):
    messages = render("reason", {"demonstrations": [text]}, CONFIGURATION, count=1)
    generation = CONFIGURATION.generation
    expected = redact(text, generation.redact, generation.phone_regions)
    assert from_data(messages[1]["content"]) == {"demonstrations": [expected]}
    assert as_data([text]).isprintable()
    assert not set("<>&") & set(as_data([text]))


def test_a_megabyte_document_is_cut_to_what_is_configured():
    batch = Batch("b", ("q",), (Document("d", "t" * 2**20, "x" * 2**20),))
    messages = write_request(batch, ATTRIBUTES, CONFIGURATION).messages
    (shown,) = from_data(messages[1]["content"])["documents"]
    assert shown["text"] == "x" * CONFIGURATION.generation.document_characters
    assert len(json.dumps(messages)) < 10_000


@pytest.mark.parametrize("place", range(1150, 1260))
def test_no_cut_hides_personal_data(place):
    text = "x" * (place - 1) + " jane.roe@example.org " + "word " * 400
    batch = Batch("b", ("q",), (Document("d", "", text),))
    (shown,) = from_data(write_request(batch, ATTRIBUTES, CONFIGURATION).messages[1]["content"])["documents"]
    assert "jane" not in shown["text"] and len(shown["text"]) <= 1200


def test_personal_data_reaches_no_prompt_wherever_it_stands_and_is_counted_once_a_text():
    mail, phone = "jane.roe@example.org", "+1 415 555 2671"
    batch = Batch("b", (f"write to {mail}",), (Document("d", f"{mail}", f"call {phone} or {mail}"),))
    attributes = LatentAttributes(
        attributes=[Attribute(name=mail, values_seen=[mail, "x"], values_generalised=[phone])]
    )
    for request in (reason_request(batch, CONFIGURATION), write_request(batch, attributes, CONFIGURATION)):
        assert mail not in json.dumps(request.messages) and "2671" not in json.dumps(request.messages)
        assert "[EMAIL]" in request.messages[1]["content"]
    assert redacted_in(batch, CONFIGURATION) == {"email": 3, "phone": 1}
    everything = CONFIGURATION.generation.model_copy(update={"redact": ()})
    assert mail in json.dumps(
        reason_request(batch, CONFIGURATION.model_copy(update={"generation": everything})).messages
    )


def test_a_message_without_a_data_block_cannot_be_read_back():
    with pytest.raises(ValueError, match="no data block"):
        from_data("hello")
