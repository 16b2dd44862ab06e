"""Whole comparisons: what is told, as words, tables, page and JSON, and that strangers' texts stay text."""

import io
import json
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from synalign import changes
from synalign.changes import page, telling, terminal
from synalign.changes.figures import Figure
from synalign.config import Configuration
from synalign.errors import RunError
from synalign.run import Run
from tests.adversarial import TEXTS
from tests.changes.sets import ENCODER, FIRST, SECOND, Row, finished, real

Make = Callable[..., Configuration]
NAMES = (f"shop/{FIRST.name}", f"shop/{SECOND.name}")
SCORED: dict[str, Any] = {
    "scheme": "aligned",
    "gate": {"status": "passed", "reason": "no harm shown"},
    "test": {
        "control": {"ndcg_at_10": 0.5},
        "treatment": {"ndcg_at_10": 0.52},
        "treatment_minus_control": {"difference": 0.02, "queries": 40},
    },
}


def compared() -> changes.Changes:
    return changes.compare(*(changes.side(name) for name in NAMES))


def told(found: changes.Changes, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    terminal.show(found, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def pair(configuration: Make) -> tuple[Run, Run]:
    """Two sets: settings, rows, weights and figures differ, traffic moved to the other end of the space."""
    old, new = [f"how to sort list {n}" for n in range(20)], [f"buy a boat {n}" for n in range(20)]
    return (
        finished(
            configuration(), FIRST, [*real(*old), Row("x", "one"), Row("y", "two")],
            vectors={query: (1.0, 0.02 * n, 0.0, 0.0) for n, query in enumerate(old)}, metrics={"evaluate": SCORED},
        ),
        finished(
            configuration(seed=7, owner="ads"), SECOND, [*real(*new), Row("x", "one", 3.0), Row("z", "two")],
            vectors={query: (0.0, 0.0, 1.0, 0.02 * n) for n, query in enumerate(new)},
            metrics={"evaluate": {**SCORED, "gate": {"status": "failed", "reason": "it loses 3 %"}}},
        ),
    )  # fmt: skip


def test_the_first_lines_say_whether_traffic_moved_what_rows_did_and_how_retrievers_fared(pair: Any) -> None:
    traffic, rows, retriever = telling.headline(compared())
    assert traffic.startswith("Traffic moved: MMD² between the real queries of the two sets is ")
    assert traffic.endswith("(p < 0.001).")
    assert rows == "22 rows became 22: 21 came, 21 went, 1 stayed."
    assert retriever.endswith("+0.0200 (gate passed) before, +0.0200 (gate failed) after.")


def test_the_tables_show_examples_settings_and_figures(pair: Any) -> None:
    text = told(compared())
    for expected in ("buy a boat", "how to sort list", "more like these", "seed", "nDCG@10, with the set", "one title"):
        assert expected in text, expected
    assert "0.5200" in text


def test_what_changes_no_row_comes_last(pair: Any) -> None:
    names = [(one.name, one.before, one.after, one.matters) for one in compared().differences]
    assert names == [("seed", "0", "7", True), ("owner", "search", "ads", False)]


def test_a_set_is_the_same_as_itself(pair: Any) -> None:
    side = changes.side(NAMES[0])
    found = changes.compare(side, side)
    assert telling.headline(found) == ["The two training sets are the same, to the byte."]
    assert [line for line in told(found).splitlines() if line][1:] == [f"  {telling.headline(found)[0]}"]
    assert "The same set" in page.render(found)


def test_json_has_it_all_as_plain_data(pair: Any) -> None:
    found = json.loads(json.dumps(compared().as_json()))
    assert found["before"]["name"] == NAMES[0]
    assert found["rows"]["counts"]["synthetic"] == {
        "before": 2, "after": 2, "kept": 1, "came": 1, "went": 1, "moved": 0
    }  # fmt: skip
    assert found["drift"]["p_value"] < 0.001
    assert found["same"] is False


def test_vectors_of_another_encoder_are_made_anew(pair: Any, configuration: Make, monkeypatch: Any) -> None:
    rows = [*real("a boat", "a ship"), Row("x")]
    finished(configuration(), SECOND, rows, metrics={"embed": {**ENCODER, "revision": "cd" * 32}})
    asked: list[str] = []

    def encode(texts: list[str], settings: Any) -> Any:
        import numpy as np

        asked.extend(texts)
        return np.eye(64, dtype=np.float32)[: len(texts)]

    monkeypatch.setattr("synalign.embedding.encoder.encode", encode)
    drift = compared().drift
    assert drift is not None
    assert len(asked) == drift.queries == 22


def test_without_real_queries_it_says_that_it_cannot_tell(configuration: Make) -> None:
    for interval in (FIRST, SECOND):
        finished(configuration(), interval, [Row(interval.name)])
    found = compared()
    assert found.drift is None
    assert telling.headline(found)[0].startswith("Whether traffic moved cannot be told")
    assert "Traffic unknown" in page.render(found)
    assert "Rows" in told(found)


def test_a_run_without_a_training_set_is_an_error_that_says_what_to_do(configuration: Make) -> None:
    run = Run(configuration(), FIRST)
    run.keep_configuration()
    with pytest.raises(RunError, match=r"has no training set yet(.|\n)*synalign show shop/2026"):
        changes.side(NAMES[0])


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


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (Figure("", "", "score", 0.5, 0.52), "+0.0200"),
        (Figure("", "", "figure", 0.02, 0.01), "\u00d7\u202f0.5"),
        (Figure("", "", "share", 0.5, 0.4), "\u221210.0 points"),
        (Figure("", "", "count", None, 4), ""),
        (Figure("", "", "text", "a", "b"), "changed"),
        (Figure("", "", "seconds", 10, 15), "+50\u202f%"),
    ],
)
def test_a_change_is_told_in_the_figures_own_terms(figure: Figure, expected: str) -> None:
    assert telling.change(figure) == expected
