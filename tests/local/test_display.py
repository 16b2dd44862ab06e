"""What a refresh shows: bars in a terminal, every line as it is elsewhere."""

import io

import pytest
from rich.console import Console

from synalign.local.display import display, printable, state
from synalign.progress import Event

FAILURE = [
    "INFO generate: started",
    "INFO generate: 3 of 12 requests",
    "GenerationError: no request [for queries] was answered.",
    "What to do: mend it",
]
LINES = [
    "INFO embed: started",
    "INFO embed: all is well",
    "WARNING generate: requests failed (timeout 2); going on with 3 candidates",
    "INFO embed: done in 41.7 s",
    "INFO sample: reused, nothing it depends on has changed",
]


def shown(console: Console) -> str:
    with display(console) as where:
        for line in LINES[:1]:
            where.say(line)
        where.show(Event("embed", "texts", 1024, 4096, 310.0, 3.3))
        for line in LINES[1:]:
            where.say(line)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_pipe_gets_every_line_as_it_is_however_long() -> None:
    console = Console(file=io.StringIO(), width=40)
    text = shown(console)
    for line in LINES:
        assert f"{line}\n" in text
    assert "\x1b" not in text


def test_a_terminal_shows_a_line_for_each_step_that_ended_and_a_bar_for_the_one_that_runs() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None, legacy_windows=False)
    text = shown(console)
    assert "1,024 of 4,096 texts, 310/s, 10 s left" in text
    assert "embed (1 of 14)" in text
    assert "✓ embed                 41.7 s" in text
    assert "✓ sample                reused" in text
    assert "warning: generate: requests failed (timeout 2)" in text
    assert text.index("warning: ") < text.index("✓ embed") < text.index("      all is well") < text.index("✓ sample")
    # Nothing stays of the bar.
    assert text.rstrip().endswith("\x1b[2K") or "Airflow" not in text.rsplit("\x1b[2K", 1)[1]


def test_a_step_that_fails_is_marked_with_its_own_words_below() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None, legacy_windows=False)
    with display(console) as where:
        for line in FAILURE:
            where.say(line)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    places = [text.index(part) for part in ("✗ generate              failed", "3 of 12 requests", *FAILURE[2:])]
    assert places == sorted(places)


def test_a_terminal_that_cannot_draw_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    assert "INFO embed: started\n" in shown(console)


def test_a_line_says_something_of_a_step_only_if_there_is_such_a_step() -> None:
    assert state("INFO embed: started") == ("embed", "started", "")
    assert state("INFO generate: waiting for batch_1") == ("generate", "waiting", " for batch_1")
    assert state("INFO nothing: started") is None
    assert state("INFO embed: runs through SentenceTransformer") is None


def test_what_would_move_the_cursor_is_made_visible() -> None:
    assert printable("a\x1b[2Jb\rc\u202ed é 漢") == "a\ufffd[2Jb\ufffdc\ufffdd é 漢"
