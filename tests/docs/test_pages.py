"""The pages are right: links lead somewhere, commands and blocks do what they say, names are the program's."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from synalign import __version__
from synalign.config import Configuration
from tests.docs import invocations
from tests.docs.pages import PAGES, ROOT, anchors, blocks, commands, links, spans

EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
BLOCKS = [block for page in PAGES for block in blocks(page)]
LONGEST_README = 110
"""Lines of the README: two screens."""


@EVERY_PAGE
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@EVERY_PAGE
def test_every_command_is_one_that_the_program_takes(page: Path) -> None:
    for line in commands(page, "synalign"):
        invocations.check_synalign(line)
    for line in commands(page, "make"):
        invocations.check_make(line)
    for line in (
        commands(page, ".venv/bin/pytest") + commands(page, ".venv/bin/ruff") + commands(page, ".venv/bin/mypy")
    ):
        invocations.check_tool(line)


def test_a_wrong_command_is_noticed() -> None:
    for line in ("synalign refreshh", "synalign check --jason FILE", "synalign --verbose check", "synalign check A B"):
        with pytest.raises(AssertionError):
            invocations.check_synalign(line)
    with pytest.raises(AssertionError):
        invocations.check_make("make coffee")
    with pytest.raises(AssertionError):
        invocations.runs("rm -rf somewhere")


@EVERY_PAGE
def test_files_modules_settings_and_variables_exist(page: Path) -> None:
    code = "\n".join(
        path.read_text() for folder in ("synalign", "dags", "jobs") for path in (ROOT / folder).rglob("*.py")
    )
    for span in spans(page):
        if re.fullmatch(r"(synalign|dags|jobs|tests|docs|docker|\.ci)/[\w./*-]*", span):
            assert list(ROOT.glob(span.rstrip("/"))), f"{page.name}: there is no {span}"
        if re.fullmatch(r"\$?SYNALIGN_[A-Z_]+", span):
            assert span.removeprefix("$") in code or span.removeprefix("$") in invocations.MAKEFILE, span
        if is_setting(span):
            assert has_setting(Configuration, span.split(": ")[0].split(".")), f"{page.name}: no setting {span}"


def is_setting(span: str) -> bool:
    """Whether a span names a setting of a section, such as `generation.budget` or `runtime.journal: s3://...`."""
    path = re.fullmatch(r"([a-z_]+)(\.[a-z_]+)+(: .*)?", span)
    return path is not None and path[1] in Configuration.model_fields and not span.endswith(".py")


def has_setting(model: Any, path: list[str]) -> bool:
    """Whether a model, or one of those that a union allows, has a field of that path."""
    models = [model, *getattr(model, "__args__", ())]
    fields = [found.model_fields[path[0]] for found in models if is_model(found) and path[0] in found.model_fields]
    return bool(fields) and (len(path) == 1 or any(has_setting(field.annotation, path[1:]) for field in fields))


def is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, BaseModel)


def test_what_pages_do_not_run_is_run_elsewhere() -> None:
    for command, file in invocations.ELSEWHERE.items():
        assert f'"{command}"' in (ROOT / file).read_text(), f"{file} does not run `synalign {command}`"


def test_every_block_says_what_it_is() -> None:
    # `bash` is typed by tests/lake, where services of somebody else run.
    assert {block.language for block in BLOCKS} <= {"sh", "bash", "python", "yaml", "json", "csv", "sql", "text", ""}
    assert not [str(block) for block in BLOCKS if not block.language and "synalign " in block.text]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README


def test_the_version_is_in_the_changelog() -> None:
    assert re.search(rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_nothing_private_stands_in_a_page() -> None:
    for page in PAGES:
        assert not re.search(r"/work/|/tmp/|/home/", page.read_text()), page.name


def test_every_page_can_be_found_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page.suffix == ".md" and page not in seen:
            seen.add(page)
            paths = [link.partition("#")[0] for link in links(page) if not link.startswith("https://")]
            todo += [(page.parent / path).resolve() for path in paths if path]
    assert set(PAGES) <= seen


def test_the_licence_is_apache_2_0_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert text.count("\n") >= 200
