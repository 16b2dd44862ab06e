"""A preview as a page, in which every text is text."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from synalign.preview import page
from tests.preview.findings import HOSTILE, MARKUP, made
from tests.report.conftest import Opened, browser, open_file

__all__ = ["browser", "open_file"]


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_prompts_answers_verdicts_costs_and_warnings(tmp_path: Path) -> None:
    path = tmp_path / "pages" / "preview.html"
    page.write(made("what is a closure"), path)
    text = Elements(path.read_text(encoding="utf-8")).text
    for said in (
        "shop", "a preview: nothing is registered".capitalize(), "Copies", "4 of 10 queries repeat the prompt.",
        "Requests without a good answer: 1.", "6 queries asked for, 2 came back, 1 accepted (near real 1).",
        "reason: ok, 10 tokens sent, 20 received, 1.5", "write: timeout, tokens not told", "system", "near real",
        "1.25 EUR", "48 requests", "96,000 tokens sent and 24,000 received", "IT DOES NOT FIT", "previews/shop/journal",
    ):  # fmt: skip
        assert said in text, said


def test_the_page_is_the_same_every_time_and_there_without_any_batch() -> None:
    assert page.render(made(MARKUP)) == page.render(made(MARKUP))
    assert "Nothing can be used" in page.render(made())


def test_strangers_texts_are_text() -> None:
    found = Elements(page.render(made(*HOSTILE)))
    assert found.tags.count("script") == found.tags.count("style") == 1
    assert not found.tags.count("img") and not found.tags.count("b")
    assert not {name for name in found.attributes if name.startswith("on") or name == "style"}
    assert "{{ 7 * 7 }}" in found.text
    assert not {character for character in found.text if ord(character) < 32} - {"\n", "\t"}


@pytest.mark.browser
def test_it_opens_without_a_word_or_a_request(tmp_path: Path, open_file: Callable[..., Opened]) -> None:
    path = tmp_path / "preview.html"
    page.write(made(MARKUP, "plain"), path)
    opened = open_file(path)
    assert opened.page.title() == "shop: preview"
    assert opened.page.locator(".injected").count() == 0
    assert opened.page.locator("nav a").count() == opened.page.locator("main > section").count() == 5
    assert (opened.said, opened.asked) == ([], [])
