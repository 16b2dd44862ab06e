"""A preview as one HTML file that loads nothing, in the report's own style."""

from __future__ import annotations

from pathlib import Path

from synalign.preview import telling
from synalign.preview.findings import ACCEPTED, Preview, Shown
from synalign.report.page import whole_page
from synalign.report.section import Section
from synalign.storage import Place


def write(found: Preview, path: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        found: The preview.
        path: The HTML file; its folder is made.
    """
    Place(path.absolute()).write_text(render(found))


def render(found: Preview) -> str:
    """Return the page as HTML; the same preview gives the same bytes."""
    batches = [_batch(number, batch) for number, batch in enumerate(found.batches, start=1)]
    return whole_page(
        "preview.html",
        title=f"{found.retriever}: preview",
        sections=[_verdict(found), _warnings(found), *batches, _costs(found)],
        retriever=found.retriever,
        basis=list(telling.basis(found)),
    )


def _verdict(found: Preview) -> Section:
    failures = len(list(telling.failed(found)))
    lines = [telling.headline(found)]
    if failures:
        lines.append(f"Requests without a good answer: {failures:,}.")
    status = {"good": "Nothing to warn of", "caution": "Look at it before you refresh", "bad": "Nothing can be used"}
    level = telling.level(found)
    return Section(
        "verdict", "What came back", "statement.html", {"status": status[level], "level": level, "lines": lines}
    )


def _warnings(found: Preview) -> Section:
    titles = {"copies": "Copies", "one_form": "One form only", "inconsistent": "Half miss their documents"}
    warnings = [
        {"title": titles[one.name], "level": "caution", "detail": one.text, "remedy": one.remedy}
        for one in found.warnings
    ]
    return Section("warnings", "Warnings", "warnings.html", {"warnings": warnings})


def _batch(number: int, batch: Shown) -> Section:
    requests = [(asked, telling.ended(asked)) for asked in batch.requests]
    content = {"batch": batch, "requests": requests, "accepted": ACCEPTED}
    return Section(f"batch-{number}", f"Batch {number}", "preview_batch.html", content)


def _costs(found: Preview) -> Section:
    content = {"lines": list(telling.costs(found.rate)), "journal": found.journal}
    return Section("costs", "What it costs", "preview_costs.html", content)
