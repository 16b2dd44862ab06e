"""Lineage: every digest, and the wording that was used and no other."""

from __future__ import annotations

from synalign.prompts.templates import template
from synalign.report import lineage
from synalign.report.material import Material
from tests.report.runs import changed


def test_lineage_has_every_digest_and_the_wording_that_was_used(finished: Material) -> None:
    section = lineage.section(finished)
    assert section is not None
    digests = {(row.table, row.digest) for row in section.content["tables"]}
    assert digests == {
        (table, content["digest"]) for made in finished.manifests.values() for table, content in made["tables"].items()
    }
    used = template("write", finished.configuration)
    prompt = next(prompt for prompt in section.content["prompts"] if prompt.kind == "write")
    assert prompt.digest == used.digest and prompt.text is not None and used.system in prompt.text
    assert "retriever: shop" in section.content["configuration"]


def test_a_wording_that_was_changed_since_is_not_shown_as_the_one_used(finished: Material) -> None:
    other = changed(finished)
    other.manifests["generate"]["outside"]["prompts/write"] = "0" * 64
    section = lineage.section(other)
    assert section is not None
    assert {prompt.kind: prompt.text is None for prompt in section.content["prompts"]} == {
        "reason": False, "write": True,
    }  # fmt: skip
