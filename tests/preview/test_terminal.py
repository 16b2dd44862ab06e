"""A preview in the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from synalign.preview import terminal
from synalign.preview.findings import Preview
from tests.preview.findings import HOSTILE, MARKUP, made


def text_of(found: Preview, width: int = 160) -> str:
    out = io.StringIO()
    terminal.show(found, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_it_begins_with_the_verdict_and_ends_with_where_answers_are() -> None:
    lines = [line.strip() for line in text_of(made("what is a closure")).splitlines()]
    assert lines[:4] == [
        "shop: a preview; nothing is registered",
        "6 queries asked for, 2 came back, 1 accepted (near real 1).",
        "Warning: 4 of 10 queries repeat the prompt.",
        "What to do: Take a larger model.",
    ]
    assert lines[-1] == "Answers are kept in previews/shop/journal: the same preview again costs nothing."
    text = "\n".join(lines)
    for said in ("Batch 1", "mixer bowl", "form (measured): keywords", "Request reason: ok", "Request write: timeout"):
        assert said in text, said


def test_of_many_requests_of_a_kind_the_first_is_shown() -> None:
    found = made("what is a closure")
    (batch,) = found.batches
    many = found._replace(batches=(batch._replace(requests=batch.requests * 5),))
    text = text_of(many)
    assert text.count("Request reason") == text.count("Request write") == 1
    assert "and 8 requests more like these; --html shows all" in text


def test_strangers_texts_move_no_cursor_and_are_no_markup() -> None:
    text = text_of(made(*HOSTILE))
    assert MARKUP.split("</script> ")[1] in text.replace("\n", "") or "[bold red]markup[/]" in text
    assert not {character for character in text if ord(character) < 32} - {"\n"}


def test_a_narrow_terminal_is_kept_to() -> None:
    assert max(map(len, text_of(made("what is a closure"), 60).splitlines())) <= 60
