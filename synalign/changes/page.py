"""What changed, as one HTML file that loads nothing, in the report's own style."""

from __future__ import annotations

from pathlib import Path

from synalign.changes import telling
from synalign.changes.compare import Changes
from synalign.report.page import whole_page
from synalign.report.section import Section
from synalign.storage import Place

_TEMPLATE = "changes.html"


def write(changes: Changes, path: Path) -> None:
    """Write the page, whole or not at all.

    Args:
        changes: What changed.
        path: The HTML file; its folder is made.
    """
    Place(path.absolute()).write_text(render(changes))


def render(changes: Changes) -> str:
    """Return the page as HTML; the same changes give the same bytes."""
    return whole_page(
        _TEMPLATE,
        title=f"{changes.before.name} to {changes.after.name}",
        sections=_sections(changes),
        before=changes.before,
        after=changes.after,
    )


def _sections(changes: Changes) -> list[Section]:
    if changes.same:
        return [_verdict(changes)]
    found = [
        _verdict(changes),
        _rows(changes),
        _lineage(changes),
        _traffic(changes),
        _weights(changes),
        _figures(changes),
    ]
    return [*(section for section in found if section is not None), _differences(changes)]


def _verdict(changes: Changes) -> Section:
    status, level = _status(changes)
    if changes.after.metrics("evaluate").get("gate", {}).get("status") == "failed":
        status, level = f"{status}; the second set fails its gate", "bad"
    content = {"status": status, "level": level, "lines": telling.headline(changes)}
    return Section("verdict", "What changed", "statement.html", content)


def _status(changes: Changes) -> tuple[str, str]:
    """Return the answer in a word or two, and how much it calls for a look."""
    if changes.same:
        return "The same set", "good"
    if changes.drift is None:
        return "Traffic unknown", "caution"
    return ("Traffic moved", "caution") if changes.drift.significant else ("Traffic did not move", "good")


def _rows(changes: Changes) -> Section:
    before, after = changes.rows.weights
    examples = [
        (telling.heaviest(after, "came"), changes.rows.came),
        (telling.heaviest(before, "went"), changes.rows.went),
    ]
    content = {
        "counts": changes.rows.counts,
        "moved": changes.rows.moved,
        "came_true": changes.rows.came_true,
        "examples": examples,
    }
    return Section("rows", "Rows in and out", "changes_rows.html", content)


def _lineage(changes: Changes) -> Section:
    return Section("lineage", "Written rows", "changes_lineage.html", {"fates": telling.fates(changes.lineage)})


def _traffic(changes: Changes) -> Section | None:
    if changes.drift is None:
        return None
    content = {"drift": changes.drift, "looked_at": telling.looked_at(changes.drift)}
    return Section("traffic", "Traffic", "changes_traffic.html", content)


def _weights(changes: Changes) -> Section:
    content = {
        "lines": telling.weights_lines(*changes.rows.weights),
        "shifted": changes.rows.shifted,
        "reweighed": changes.rows.reweighed,
    }
    return Section("weights", "Weights", "changes_weights.html", content)


def _figures(changes: Changes) -> Section:
    lines = telling.lines(changes.figures)
    groups = {
        group: [line for line in lines if line.group == group] for group in dict.fromkeys(one.group for one in lines)
    }
    return Section("figures", "Figures", "changes_figures.html", {"groups": groups})


def _differences(changes: Changes) -> Section:
    rows = [
        (one, *(telling.setting(text, one.kind) for text in (one.before, one.after))) for one in changes.differences
    ]
    return Section("differences", "Done differently", "changes_differences.html", {"rows": rows})
