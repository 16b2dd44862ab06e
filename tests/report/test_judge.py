"""The section on the judge: shares counted by hand, and nothing where none was asked."""

from __future__ import annotations

import re

from synalign.generation.judging import figures
from synalign.report import judge
from synalign.report.material import Material
from synalign.report.page import render
from tests.report.runs import changed

COST = {
    "model": "large <judge>", "endpoint": "https://judge.example/v1", "at_least": 2, "requests": 20, "journal_hits": 5,
    "outcomes": {"ok": 19, "refused": 1}, "tokens": 1234, "money": 0.0, "currency": "USD",
}  # fmt: skip


def judged(finished: Material, clicked: int = 9) -> Material:
    real = [3] * clicked + [0] * (10 - clicked)
    found = figures([3, 3, 2, 1, None], [0, 0, 3, 1], real, 2, 8)
    return changed(finished, screen={"judge": {**COST, **found}})


def test_there_is_no_section_without_a_judge(finished: Material) -> None:
    assert judge.section(finished) is None
    assert 'id="judge"' not in render(finished)


def test_the_shares_are_those_of_the_counts(finished: Material) -> None:
    section = judge.section(judged(finished))
    assert section is not None
    sides = section.content["sides"]
    assert [(side.accepted, side.rejected, side.share) for side in sides] == [(3, 1, 0.75), (1, 3, 0.25), (9, 1, 0.9)]
    # 3 of the found, and of the 8 not found 6 by the sample's share.
    assert section.content["agreement"] == (3 + 6) / 12
    assert not section.content["doubtful"]
    page = render(judged(finished))
    text = " ".join(re.sub("<[^>]+>", " ", page[page.index('id="judge"') :]).split())
    assert "large &lt;judge&gt; was asked" in text
    assert "Of real pairs, which should be relevant, it accepts 90 %" in text
    assert "Without a grade 1 kept; requests by how they ended: ok 19, refused 1" in text


def test_a_judge_that_rejects_what_people_chose_is_doubted(finished: Material) -> None:
    section = judge.section(judged(finished, clicked=7))
    assert section is not None and section.content["doubtful"]
    assert "It rejects many documents that people chose" in render(judged(finished, clicked=7))
