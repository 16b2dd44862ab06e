"""The requests of a preview are those of the step *generate*, as the endpoint takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from synalign.config import Configuration
from synalign.generation.demonstration_batches import Batch, Document
from synalign.preview.asking import ask
from synalign.run.previews import folder_of, journal_of
from synalign.writer.server import complete
from tests.preview.conftest import writer

Make = Callable[..., Configuration]
DOCUMENTS = tuple(
    Document(f"d{n}", "", f"The {animal} lives in the forest.") for n, animal in enumerate(("fox", "owl"))
)
BATCH = Batch("b", ("how to feed a fox", "owl food", "what does the owl eat?"), DOCUMENTS)


def test_what_is_shown_is_what_the_server_was_sent(retriever: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with writer(monkeypatch, lambda request: (200, complete(request))) as asked:
        answered = ask([BATCH], retriever())
    sent = [tuple((one["role"], one["content"]) for one in request["messages"]) for request in asked]
    assert [one.messages for one in answered.requests[0]] == sent
    assert answered.form == "json_schema"
    assert list(journal_of("shop").iterdir())


def test_a_form_that_the_server_refuses_is_remembered_and_shown(
    retriever: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def picky(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if request.get("response_format", {}).get("type") == "json_schema":
            error = {"message": "response_format json_schema is not supported", "param": "response_format"}
            return 400, {"error": {**error, "type": "invalid_request_error", "code": None}}
        return 200, complete(request)

    with writer(monkeypatch, picky) as asked:
        first = ask([BATCH], retriever())
        count = len(asked)
        second = ask([BATCH._replace(demonstrations=BATCH.demonstrations[:2])], retriever())
    assert first.form == second.form == "json_object"
    assert (count, len(asked)) == (3, 5)
    assert "JSON schema" in first.requests[0][0].messages[0][1].replace("\n", " ")
    assert (folder_of("shop") / "endpoint.jsonl").is_file()


def test_parts_of_a_batch_are_shown_in_the_order_in_which_they_are_asked(
    retriever: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(request: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if "owl lives" in str(request["messages"]) and "fox lives" in str(request["messages"]):
            error = {
                "message": "The prompt is longer than the context of this model",
                "code": "context_length_exceeded",
            }
            return 400, {"error": {**error, "type": "invalid_request_error", "param": "messages"}}
        return 200, complete(request)

    with writer(monkeypatch, short):
        (requests,) = ask([BATCH], retriever()).requests
    assert [one.outcome for one in requests] == ["ok", "context_too_long", "ok", "ok"]
    assert [one.kind for one in requests] == ["reason", "write", "write", "write"]
    assert "fox lives" in requests[2].messages[1][1] and "owl lives" in requests[3].messages[1][1]
