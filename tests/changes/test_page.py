"""Changes as a page, in which every text is text."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from synalign.changes import page
from synalign.config import Configuration
from tests.adversarial import TEXTS
from tests.changes.sets import FIRST, SECOND, Row, compared, finished, real, told

Make = Callable[..., Configuration]


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


def test_strangers_texts_are_text_on_the_page_and_in_the_terminal(configuration: Make, tmp_path: Path) -> None:
    hostile = [text.encode("utf-8", "replace").decode() for text in TEXTS.values() if text.strip()]
    hostile.append("[bold red]markup[/] {{ 7 * 7 }}")
    for interval, shift in ((FIRST, 0), (SECOND, 1)):
        rows = [
            Row(text[: 400 + shift], f"{text[:50]}{shift}", 1.0 + n * (1 + shift)) for n, text in enumerate(hostile)
        ]
        vectors = {f"{shift} {text[:300]}": (1.0, 5.0 * shift, 0.01 * n, 0.0) for n, text in enumerate(hostile)}
        finished(configuration(), interval, [*real(*vectors), *rows], vectors=vectors)
    path = tmp_path / "changes.html"
    page.write(compared(), path)
    found = Elements(path.read_text(encoding="utf-8"))
    assert found.tags.count("script") == found.tags.count("style") == 1
    assert not found.tags.count("img")
    assert not {name for name in found.attributes if name.startswith("on") or name == "style"}
    assert "{{ 7 * 7 }}" in found.text
    text = told(compared(), 200)
    assert "[bold red]markup[/]" in text
    assert not {character for character in text if ord(character) < 32} - {"\n"}


def test_the_page_is_the_same_every_time(pair: Any) -> None:
    assert page.render(compared()) == page.render(compared())
