"""A report's page: which sections it has, and how they become one HTML file that loads nothing.

Everything is escaped where it enters a template. The page forbids itself all that it does not bring along: its
Content-Security-Policy names style sheet and script by their SHA-256 and allows no other source, no inline style and no
inline handler.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from synalign import __version__
from synalign.drawing.picture import style_sheet
from synalign.drawing.svg import bar
from synalign.report import (
    before_after,
    costs,
    demonstrations,
    flow_table,
    judge,
    lineage,
    over_the_nights,
    retriever,
    verdict,
    warnings,
    weights,
)
from synalign.report.material import Material
from synalign.report.section import Section
from synalign.text import numbers

SECTIONS: tuple[Callable[[Material], Section | None], ...] = (
    verdict.section,
    over_the_nights.section,
    flow_table.section,
    judge.section,
    before_after.section,
    demonstrations.section,
    weights.section,
    retriever.section,
    costs.section,
    lineage.section,
    warnings.section,
)
"""In the order of the page; a section that has nothing to show is left out."""

STYLES = ("report.css", "figures.css")
SCRIPTS = ("report.js",)


def render(material: Material) -> str:
    """Render the report of a run as HTML.

    The same run gives the same bytes.
    """
    sections = [found for make in SECTIONS if (found := make(material)) is not None]
    interval = material.run.interval
    return whole_page(
        "page.html",
        title=f"{material.configuration.retriever}, {interval.start:%Y-%m-%d} to {interval.end:%Y-%m-%d}",
        sections=sections,
        retriever=material.configuration.retriever,
        description=material.configuration.description,
        interval=interval,
    )


def whole_page(template: str, *, title: str, sections: Sequence[Section], **content: Any) -> str:
    """Render a page that extends `base.html`.

    Args:
        template: Its file under `templates/`.
        title: Its title.
        sections: Its sections; their names are the navigation.
        content: What else the template gets.

    Returns:
        HTML; the same arguments give the same bytes.
    """
    environment = _environment()
    bodies = [(section, Markup(_body(environment, section))) for section in sections]
    style, script = Markup(f"{style_sheet()}\n{_text(STYLES)}"), Markup(_text(SCRIPTS))
    return environment.get_template(template).render(
        title=title, sections=bodies, style=style, script=script, policy=_policy(style, script), version=__version__,
        **content,
    )  # fmt: skip


def _body(environment: Environment, section: Section) -> str:
    content: Mapping[str, Any] = section.content
    return environment.get_template(section.template).render(**content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("synalign.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for shape in (
        numbers.count, numbers.counted, numbers.figure, numbers.share, numbers.p_value, numbers.seconds, numbers.words,
        numbers.shown,
    ):  # fmt: skip
        environment.filters[shape.__name__] = shape
    environment.globals["bar"] = bar
    return environment


@cache
def _text(files: tuple[str, ...]) -> str:
    folder = resources.files(__package__)
    found = (folder.joinpath(name) for name in files)
    return "\n".join(file.read_text(encoding="utf-8").strip() for file in found if file.is_file())


def _policy(style: str, script: str) -> str:
    """Return the page's Content-Security-Policy: it may use nothing but what it brings along."""
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
