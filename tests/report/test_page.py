"""The report's page: one file that loads nothing, in which every stranger's text is text."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.report.material import Material
from synalign.report.page import render
from synalign.run import Run
from synalign.text.numbers import shown
from tests.adversarial import TEXTS
from tests.report.runs import made_run

Make = Callable[..., Configuration]
# What a query log can hold once it is ingested: Parquet has no half characters.
HOSTILE = [text.encode("utf-8", "replace").decode()[:5000] for text in TEXTS.values()]
MARKUP = "<b id=injected>bold</b><script>injected()</script>\"' onload=injected() style=x &amp; {{ 7 * 7 }}"
VOID = {"meta", "link", "br", "hr", "img", "input", "rect", "circle", "line", "path", "polygon", "polyline", "use"}


class Page(HTMLParser):
    """A page as a browser would see it: elements with their attributes, and the text of each."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: dict[str, list[str]] = {"style": [], "script": []}
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.inside:
            self.inside[self.open[-1]].append(data)
        else:
            self.texts.append(data)

    def attributes(self, name: str) -> list[str]:
        return [found[name] or "" for _, found in self.elements if name in found]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of a plain run."""
    content = {"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNALIGN_HOME", str(tmp_path_factory.mktemp("home")))
        yield Page(render(Material(made_run(Configuration.model_validate(content), real=60, written=40))))


def test_the_page_allows_itself_only_what_it_brings_along(page: Page) -> None:
    policy = next(
        found["content"] for tag, found in page.elements if found.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["img-src"] == "data:"
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256("".join(page.inside[kind]).encode()).digest()).decode()
        assert rules[f"{kind}-src"] == f"'sha256-{digest}'"
        assert sum(tag == kind for tag, _ in page.elements) == 1
    assert page.attributes("style") == []
    assert [name for _, found in page.elements for name in found if name.startswith("on")] == []
    assert page.attributes("src") == []
    assert all(href.startswith(("#", "data:")) for href in page.attributes("href"))


def test_every_link_of_the_navigation_has_its_place_and_every_id_is_one(page: Page) -> None:
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    wanted = {href[1:] for href in page.attributes("href") if href.startswith("#")}
    assert wanted <= set(ids)
    assert {"verdict", "flow", "costs", "lineage", "warnings"} <= wanted


def test_markup_from_outside_is_text_everywhere(configuration: Make) -> None:
    """Where it comes from: log, documents, model, reasons, configuration, versions and addresses."""
    made = configuration(description=MARKUP, owner=MARKUP)
    example = {"query": MARKUP, "document_id": MARKUP, "score": 0.97}
    changed = {
        "generate": {"model": MARKUP, "endpoint": MARKUP, "examples": {"over_length": [example]}},
        "screen": {"examples": {"near_duplicate": [example] * 3}},
        "register": {"model": MARKUP, "version": MARKUP, "failures": [MARKUP, f"gate: {MARKUP}"], "current": False},
        "embed": {"model": MARKUP},
    }
    page = Page(render(Material(made_run(made, real=60, written=40, texts=[MARKUP], changed=changed))))
    assert "injected" not in page.attributes("id")
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]
    assert not [tag for tag, _ in page.elements if tag == "b"]
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    # Read back, it is what it was: nothing was evaluated and nothing escaped twice.
    assert sum(MARKUP in text for text in page.texts) >= 8


def test_the_adversarial_set_renders_as_text(configuration: Make) -> None:
    scripts = [TEXTS[name] for name in ("script", "closing_the_block", "forged_template")]
    examples = [{"query": text, "document_id": "d1", "score": 0.97} for text in scripts]
    changed = {"screen": {"examples": {"near_duplicate": examples}}}
    html = render(Material(made_run(configuration(), texts=HOSTILE, real=60, written=60, changed=changed)))
    page = Page(html)
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert not [tag for tag, _ in page.elements if tag == "img"]
    # Nothing that cannot be seen is left, but what shapes scripts and emoji.
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", html)
    assert len(html.encode()) < 2_000_000
    for hostile in scripts:
        lines = [line for line in hostile.splitlines() if line.strip()]
        assert all(any(line in text for text in page.texts) for line in lines), hostile


def test_a_large_run_is_under_two_megabytes(configuration: Make) -> None:
    long = tuple(f"{row} " + "a query that is as long as queries may be " * 7 for row in range(97))
    run = made_run(configuration(), real=20_000, written=30_000, texts=long, solved=False)
    html = render(Material(run))
    assert len(html.encode()) < 2_000_000
    assert "27,000" in html


@pytest.mark.parametrize("until", [step.name for step in flow.before("report")])
def test_an_unfinished_run_says_how_far_it_came_and_what_to_do(configuration: Make, until: str) -> None:
    run = made_run(configuration(), until=until, real=60, written=40)
    if not run.folder.exists():
        run.keep_configuration()
    text = " ".join(" ".join(Page(render(Material(run))).texts).split())
    assert "Unfinished" in text
    assert f"The step {until} has not finished." in text
    assert "finished steps are kept" in text


def test_a_step_made_with_other_settings_is_left_out_and_named(configuration: Make) -> None:
    made = made_run(configuration(), real=60, written=40)
    run = Run(configuration(alignment={"ridge": 0.5}), made.interval)
    material = Material(run)
    assert list(material.stale) == ["align", "evaluate", "assemble", "register"]
    assert not material.has("weights") and material.has("candidates")
    assert "made with other settings" in render(material)


def test_what_cannot_be_seen_is_shown_as_its_code() -> None:
    assert shown("pay\u202elap\u202c") == "pay[U+202E]lap[U+202C]"
    # Persian "I do not want": the joiner in it is part of its spelling.
    persian = "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    assert shown(persian) == persian
