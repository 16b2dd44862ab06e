"""Names of people: with and without a recogniser."""

from __future__ import annotations

import logging

from synalign.privacy import PLACEHOLDERS, found, names, redact

KINDS = tuple(PLACEHOLDERS)


def test_without_a_recogniser_names_stay_and_the_log_says_so_once(caplog, monkeypatch):
    monkeypatch.setattr(names, "_model", lambda: None)
    names.recogniser.cache_clear()
    with caplog.at_level(logging.INFO, logger="synalign"):
        assert [redact("Jane Roe", ("name",), ()) for _ in range(3)] == ["Jane Roe"] * 3
    assert caplog.text.count("no recogniser is installed") == 1
    names.recogniser.cache_clear()


def test_with_a_recogniser_names_are_replaced_and_placeholders_are_not_names(monkeypatch):
    def recognise(text):
        for word in ("Jane Roe", "EMAIL"):
            start = text.find(word)
            if start >= 0:
                yield start, start + len(word)

    monkeypatch.setattr(names, "recogniser", lambda: recognise)
    assert redact("Jane Roe, jane@example.org", KINDS, ()) == "[NAME], [EMAIL]"
    assert found("Jane Roe", KINDS, ()) == ("name",)
