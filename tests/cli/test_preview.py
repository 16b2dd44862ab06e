"""`synalign preview` from the command line, with the embedded writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Configuration
from synalign.errors import ConfigurationError, GenerationError
from tests.cli.calling import call
from tests.preview.conftest import file, ingested, quick_encoder, retriever, writer, writes

__all__ = ["file", "quick_encoder", "retriever"]

Make = Callable[..., Configuration]


def test_it_shows_a_page_and_writes_one_and_pays_once(
    retriever: Make, file: Callable[..., Path], tmp_path: Path
) -> None:
    ingested(retriever())
    page = tmp_path / "pages" / "preview.html"
    done = call("preview", str(file(retriever())), "--batches", "1", "--html", str(page))
    assert done.exit_code == 0, done.output
    assert done.output.startswith("shop: a preview; nothing is registered\n")
    assert "6 queries asked for, 6 came back" in done.output
    assert done.output.splitlines()[-1] == str(page)
    assert "lives in the forest" in page.read_text(encoding="utf-8")
    again = call("preview", str(file(retriever())), "--batches", "1")
    assert again.output.count("from the journal, at no cost now") == 2


def test_where_nothing_was_answered_the_page_is_shown_and_the_exit_code_is_that_of_the_endpoint(
    retriever: Make, file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    poor = retriever(budget={"max_tokens": 100})
    ingested(poor)
    with writer(monkeypatch, writes()):
        done = call("preview", str(file(poor)))
    assert "0 came back" in done.output
    assert isinstance(done.exception, GenerationError) and done.exception.exit_code == 6


def test_a_wrong_file_or_date_is_said_before_anything_is_read(
    retriever: Make, file: Callable[..., Path], tmp_path: Path
) -> None:
    for arguments in ([str(tmp_path / "none.yaml")], [str(file(retriever())), "--date", "tomorrow"]):
        assert isinstance(call("preview", *arguments).exception, ConfigurationError)
    assert call("preview", str(file(retriever())), "--batches", "0").exit_code == 2


def test_help_says_what_it_costs_and_that_nothing_is_registered() -> None:
    said = " ".join(call("preview", "--help").output.split())
    assert "Nothing is registered" in said and "previews" in said and "exit code is 6" in said
