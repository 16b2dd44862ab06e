"""The section over the nights: a chart for each figure, gaps, a table, a sentence, and no stranger's markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from synalign.config import Configuration
from synalign.report import over_the_nights
from synalign.report.nights import nights
from synalign.report.page import whole_page
from synalign.report.section import Section
from tests.report.conftest import Opened
from tests.report.history import STEPS, keep, material, written

Make = Callable[..., Configuration]
UNTIL_SCREEN = STEPS[: STEPS.index("screen") + 1]
TITLES = [
    "Tokens", "Accepted queries", "Documents covered", "MMD\u00b2 to held-out queries", "Effective sample size",
    "nDCG@10 on test queries",
]  # fmt: skip


def page(section: Section) -> str:
    return whole_page("base.html", title="t", sections=[section])


def shown(found: Section | None) -> Section:
    assert found is not None
    return found


def test_a_first_night_has_no_such_section(configuration: Make) -> None:
    own = material(configuration())
    assert over_the_nights.section(own) is None
    keep(own.run, 1, written(1, steps=UNTIL_SCREEN))
    assert over_the_nights.section(own) is None


def test_each_figure_has_a_chart_with_a_mark_for_each_night(configuration: Make) -> None:
    own = material(configuration())
    for before in (1, 2, 3):
        keep(own.run, before, written(before))
    content = shown(over_the_nights.section(own)).content
    assert [figure.title for figure in content["figures"]] == TITLES
    lines = {figure.title: figure.picture.count("<polyline") for figure in content["figures"]}
    assert [lines[title] for title in TITLES] == [1, 2, 1, 2, 1, 3]
    for figure in content["figures"]:
        assert figure.picture.count("<title>") == 4 * lines[figure.title]
        assert 'role="img"' in figure.picture and "aria-label=" in figure.picture
    assert "the gate&#39;s line, 2026-03-01: 0.4900" in content["figures"][-1].picture


def test_a_failed_night_is_a_gap_in_the_lines_and_named_in_the_table(configuration: Make) -> None:
    own = material(configuration())
    for before in (1, 2, 4, 5):
        keep(own.run, before, written(before))
    keep(own.run, 3, written(3, steps=UNTIL_SCREEN))
    section = shown(over_the_nights.section(own))
    tokens, _, documents, *_ = section.content["figures"]
    assert (tokens.picture.count("<polyline"), documents.picture.count("<polyline")) == (1, 2)
    assert (tokens.picture.count("<title>"), documents.picture.count("<title>")) == (6, 5)
    html = page(section)
    assert "1 interval between them did not finish" in html
    assert "align not finished" in html
    row = next(row for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL) if "2026-02-26" in row)
    assert re.findall(r'number">([^<]*)<', row) == ["1,800", "90", "10", *["\u2013"] * 7]


def test_what_no_night_measured_has_neither_chart_nor_column(configuration: Make) -> None:
    unmeasured = {"align": {"mmd2_held_out_before": None, "mmd2_held_out_after": None}, "evaluate": {"test": {}}}
    own = material(configuration(), changed=unmeasured)
    keep(own.run, 1, written(1, changed=unmeasured))
    content = shown(over_the_nights.section(own)).content
    assert [figure.title for figure in content["figures"]] == [*TITLES[:3], TITLES[4]]
    assert [head for head, _ in content["heads"]] == [
        "Tokens", "Accepted queries: new", "Accepted queries: carried", "Documents covered", "Effective sample size",
    ]  # fmt: skip


def test_without_a_gate_its_line_is_missing_and_nothing_else(configuration: Make) -> None:
    own = material(configuration())
    earlier = written(1)
    for found in (own.manifests, earlier):
        found["evaluate"]["settings"]["evaluation"]["gate"] = None
    keep(own.run, 1, earlier)
    content = shown(over_the_nights.section(own)).content
    assert content["figures"][-1].legend == [("control", "real pairs alone"), ("treatment", "with the set")]
    assert len(content["heads"]) == 9


def test_a_pool_that_is_off_still_has_its_history(configuration: Make) -> None:
    nothing = {"screen": {"accepted": 90, "carried": {"candidates": 0, "accepted": 0, "rejected": {}}}}
    own = material(configuration(pool={"nights": 0}), changed=nothing)
    keep(own.run, 1, written(1, changed=nothing))
    content = shown(over_the_nights.section(own)).content
    assert "carried queries accepted 0 \u2192 0" in content["sentence"]
    assert content["figures"][1].picture.count("<polyline") == 2


def test_the_sentence_says_what_changed_since_the_first_night(configuration: Make) -> None:
    own = material(
        configuration(),
        changed={
            "generate": {"tokens": 200},
            "screen": {"accepted": 12, "carried": {"accepted": 480}},
            "align": {
                "documents": 40, "mmd2_held_out_before": 0.02, "mmd2_held_out_after": 0.005,
                "effective_sample_size": 210.0,
            },
            "evaluate": {"test": {"control": {"ndcg_at_10": 0.5}, "treatment": {"ndcg_at_10": 0.49}}},
        },
    )  # fmt: skip
    for before in (1, 2):
        keep(own.run, before, written(before))
    assert over_the_nights.sentence(nights(own)) == (
        "Since the interval up to 2026-02-27: tokens 1,800 \u2192 200; new queries accepted 90 \u2192 12; carried "
        "queries accepted 10 \u2192 480; documents covered 12 \u2192 40; MMD\u00b2 of the aligned weights 0.01 \u2192 "
        "0.005; effective sample size 50 \u2192 210; nDCG@10 over real pairs alone +0.0400 \u2192 \u22120.0100."
    )


def test_an_unfinished_run_says_only_what_both_measured(configuration: Make) -> None:
    own = material(configuration(), steps=["ingest", "carry"])
    keep(own.run, 1, written(1))
    section = shown(over_the_nights.section(own))
    assert section.content["sentence"] == (
        "Nothing was measured both in the interval up to 2026-02-28 and in this one."
    )
    assert "sample not finished" in page(section)


def test_hostile_text_in_a_manifest_is_not_on_the_page(configuration: Make) -> None:
    hostile = {"generate": {"tokens": "<script>alert(1)</script>"}, "screen": {"accepted": "\u202e9", "carried": "<b>"}}
    own = material(configuration())
    keep(own.run, 1, written(1, changed=hostile))
    html = page(shown(over_the_nights.section(own)))
    assert "alert(1)" not in html and "\u202e" not in html


def test_figures_of_any_size_stay_in_their_frame(configuration: Make) -> None:
    sizes = {1: 0, 2: 10**12, 3: 5e-324, 4: -3}
    own = material(configuration())
    for before, size in sizes.items():
        align = {"documents": size, "mmd2_held_out_before": size, "mmd2_held_out_after": size}
        scores = {"control": {"ndcg_at_10": size}, "treatment": {"ndcg_at_10": size}}
        made = {"generate": {"tokens": size}, "align": align, "evaluate": {"test": scores}}
        keep(own.run, before, written(before, changed=made))
    for figure in shown(over_the_nights.section(own)).content["figures"]:
        for x, y in re.findall(r'cx="([^"]+)" cy="([^"]+)"', figure.picture):
            assert 0 <= float(x) <= 340 and 0 <= float(y) <= 190


def test_in_a_browser_it_fits_a_phone_and_asks_for_nothing(
    configuration: Make, tmp_path: Path, open_file: Callable[..., Opened]
) -> None:
    own = material(configuration())
    for before in range(1, 9):
        keep(own.run, before, written(before, steps=UNTIL_SCREEN if before == 4 else STEPS))
    (tmp_path / "nights.html").write_text(page(shown(over_the_nights.section(own))))
    opened = open_file(tmp_path / "nights.html", viewport={"width": 320, "height": 700}, color_scheme="dark")
    opened.page.locator("summary").click()
    assert opened.page.locator(".chart").count() == len(TITLES)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 320
    # Tokens and the two kinds of queries have no gap: three lines; seven others are in two parts.
    inks = opened.page.locator(".chart .line").evaluate_all("lines => lines.map(line => getComputedStyle(line).stroke)")
    assert len(inks) == 17 and "none" not in inks
    assert (opened.said, opened.asked) == ([], [])
