"""What a step waits for, as a summary says it."""

from synalign.run.waiting import Waiting


def test_headers_are_named_only_where_there_are_some() -> None:
    plain = Waiting(("b1", "b2"), "https://llm.example/v1", "KEY")
    assert plain.named() == {"batches": ("b1", "b2"), "url": "https://llm.example/v1", "api_key_variable": "KEY"}
    assert plain._replace(headers_variable="ALL").named() == {**plain.named(), "headers_variable": "ALL"}
