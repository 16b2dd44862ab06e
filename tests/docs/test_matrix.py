"""The page of what runs with what: no cell is empty, each is one of four words, and the tests that it names exist."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, rows, spans

PAGE = ROOT / "docs" / "matrix.md"
WORDS = {"tested", "double", "rendered", "not"}


WIDTHS = {"Sources and engines": 9, "Engines and stores": 9, "Stores and registries": 4,
          "Airflow and what is around it": 2, "Versions": 3}  # fmt: skip


def tables() -> list[tuple[str, list[str]]]:
    """Rows of the page's tables; what stands below a table belongs to none of them."""
    return [(heading, row[: WIDTHS[heading]]) for heading, row in rows(PAGE)]


def test_every_cell_is_one_of_four_words() -> None:
    cells = [row for heading, row in tables() if heading != "Versions"]
    headers = [row for row in cells if row[0] in ("source", "store", "registry", "what")]
    assert len(headers) == 4
    seen = [cell for row in cells if row not in headers for cell in row[1:]]
    assert len(seen) > 100
    assert set(seen) == WORDS


def test_every_row_has_a_cell_for_each_column() -> None:
    for heading, row in tables():
        assert len(row) == WIDTHS[heading], row
        assert all(cell.strip() for cell in row), row


def test_the_tests_that_it_names_are_there() -> None:
    named = [span for span in spans(PAGE) if span.startswith("tests/")]
    assert len(named) > 10
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_the_commands_that_it_names_are_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for command in re.findall(r"`make ([\w-]+)`", PAGE.read_text(encoding="utf-8")):
        assert f"\n{command}:" in makefile
