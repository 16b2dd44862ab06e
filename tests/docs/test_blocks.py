"""What a page tells its reader to type or to copy works: in the order in which it stands there."""

import re
from pathlib import Path

import pytest
import yaml

from synalign.config import Configuration
from tests.docs import invocations
from tests.docs.conftest import Place
from tests.docs.pages import PAGES, ROOT, Block, blocks

A_REFRESH = [pytest.mark.spark, pytest.mark.airflow]

BLOCKS = [block for page in PAGES for block in blocks(page)]

DEMO = re.compile(r"(?<![\w/.-])demo(@\d)?(?=$|[\s/\"-])(?!-data)")
"""The retriever of `make refresh`; the one of the tests' own refresh, `small`, stands for it here.

That has one version, which stands for all: making another takes minutes, and `tests/changes` compares some that differ.
"""


def of_tests(text: str) -> str:
    """A command or a program about the retriever of `make refresh`, about that of the tests' own refresh."""
    return DEMO.sub(lambda found: "small@1" if found[1] else "small", text)


def steps(page: Path) -> list[Block | str]:
    """What a reader of a page does: files to write, and lines to run, in order."""
    found: list[Block | str] = []
    for block in blocks(page):
        if block.file or block.filled:
            found.append(block)
        if block.language == "sh":
            found += [line for line in block.text.splitlines() if invocations.runs(line)]
    return found


def needs_refresh(page: Path) -> bool:
    return any(isinstance(step, str) and DEMO.search(step) for step in steps(page))


def refreshes(page: Path) -> bool:
    """A page starts Spark: it refreshes, or has a refresh, or reads rows of a log."""
    started = ("synalign refresh ", "synalign check --data ")
    return needs_refresh(page) or any(isinstance(step, str) and step.startswith(started) for step in steps(page))


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.name, marks=A_REFRESH * refreshes(page)) for page in PAGES if steps(page)]
)
def test_commands_run_in_the_order_in_which_they_stand(page: Path, request: pytest.FixtureRequest) -> None:
    todo = steps(page)
    place: Place = request.getfixturevalue("refreshed" if needs_refresh(page) else "place")
    for step in todo:
        if isinstance(step, Block):
            place.prepare(step)
        else:
            place.run(of_tests(step))


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=str(block), marks=A_REFRESH * bool(DEMO.search(block.text)))
        for block in BLOCKS
        if block.language == "python"
    ],
)
def test_python_runs(block: Block, request: pytest.FixtureRequest) -> None:
    place: Place = request.getfixturevalue("refreshed" if DEMO.search(block.text) else "place")
    place.python(of_tests(block.text))


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "yaml"], ids=str)
def test_settings_are_valid(block: Block) -> None:
    content = yaml.safe_load(block.text)
    if "arms" in content:
        pytest.skip("a plan: the page's own `synalign experiment check` reads it")
    whole = yaml.safe_load((ROOT / "dags" / "retrievers" / "demo.yaml").read_text())
    for key, value in content.items():
        part = isinstance(value, dict) and isinstance(whole.get(key), dict) and "kind" not in value
        whole[key] = {**whole[key], **value} if part else value
    Configuration.model_validate(whole)
