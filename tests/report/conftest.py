"""A real browser for the report, which reaches nothing but the file it opens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from synalign.config import Configuration
from synalign.report.material import Material
from tests.report.runs import made_run

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# No sandbox: tests run as root in containers. The others keep the browser from asking for things of its own.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


class Opened(NamedTuple):
    """A page in the browser.

    Attributes:
        page: The page.
        said: What it wrote to the console, and errors of its scripts.
        asked: Addresses that it asked for, its own apart.
    """

    page: Page
    said: list[str]
    asked: list[str]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, that of `$CHROMIUM` or the one installed; without one the tests of the browser are skipped.

    While it runs, playwright has an event loop that no other one may run beside: other files need theirs.
    """
    from playwright.sync_api import sync_playwright

    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if found is None:
        pytest.skip("no Chromium: set $CHROMIUM to one")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def open_file(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Opens a file as a person would who clicks on it; keyword arguments are those of a browser's context."""
    contexts = []

    def opened(path: Path, **settings: Any) -> Opened:
        context = browser.new_context(**settings)
        contexts.append(context)
        found = Opened(context.new_page(), [], [])
        found.page.on("console", lambda message: found.said.append(message.text))
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.goto(path.as_uri())
        found.asked.remove(path.as_uri())
        return found

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Material:
    """A run whose every step has finished; held-out queries and weights are real, found by the step align."""
    content = {
        "retriever": "shop",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "generation": {"endpoint": "https://model.example/v1", "budget": {"input_price": 1.0, "output_price": 4.0}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNALIGN_HOME", str(tmp_path_factory.mktemp("home")))
        return Material(made_run(Configuration.model_validate(content), real=1500, written=200))
