"""Earlier intervals: which count, what is read of them, and what is said of those that cannot be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from synalign.errors import RunError
from synalign.pool.nights import latest, nights
from synalign.run import Run, manifests
from synalign.tables import content_id
from tests.pool.world import DOCUMENTS, Script, accepted, night, run_of, settings

WROTE = (("what is thing one", "d1"), ("how is thing two", "d2"))


def names(run: Run) -> list[str]:
    return [each.interval for each in nights(run)]


def redo(run: Run, step: str, change: object) -> None:
    """Let a step count as made from another table, as after it was run again with another result."""
    place = run.folder / step / manifests.NAME
    manifest = json.loads(place.read_bytes())
    change(manifest)  # type: ignore[operator]
    place.write_bytes(json.dumps(manifest).encode())


def test_those_count_that_asked_the_model_and_ended_before(home: Path) -> None:
    done = [night(run_of(0)), night(run_of(1), until="generate"), night(run_of(2), until="sample"), night(run_of(4))]
    assert names(run_of(3)) == [done[0].interval.name, done[1].interval.name]
    assert names(run_of(0)) == []
    assert names(run_of(1)) == [done[0].interval.name]
    everything = latest(done[0].folder.parent, 9)
    assert [each.interval for each in everything] == [done[at].interval.name for at in (0, 1, 3)]


def test_no_more_than_the_setting_says_and_none_for_zero() -> None:
    done = [night(run_of(number), until="generate").interval.name for number in range(3)]
    assert names(run_of(3, settings(pool={"nights": 2}))) == done[1:]
    assert names(run_of(3, settings(pool={"nights": 0}))) == []


def test_what_is_taken_of_an_interval_is_what_it_accepted_with_its_model_and_prompt() -> None:
    run = night(run_of(0), script=Script(WROTE, frozenset({WROTE[1][0]})))
    (found,) = nights(run_of(1))
    (row,) = found.written().to_pylist()
    assert [row["candidate_id"]] == accepted(run)
    asked = {each["request_id"]: each for each in run.read("requests").to_pylist()}
    assert (row["query"], row["document_id"], row["interval"]) == (*WROTE[0], run.interval.name)
    assert row["prompt_version"] == asked[row["request_id"]]["prompt_version"]
    assert row["model"] == found.model == run.configuration.generation.model
    assert row["document_digest"] == content_id("d1", DOCUMENTS["d1"])


def test_of_an_interval_without_verdicts_all_is_taken_and_nothing_was_weighed() -> None:
    night(run_of(0), script=Script(WROTE, frozenset({WROTE[1][0]})), until="embed_candidates")
    (found,) = nights(run_of(1))
    assert found.written()["query"].to_pylist() == [query for query, _ in WROTE]
    assert not len(found.weights())


def test_what_batches_showed_is_in_the_order_that_makes_their_id() -> None:
    night(run_of(0), until="generate")
    (found,) = nights(run_of(1))
    shown = found.shown()
    assert len(shown) == 2
    assert all(content_id(*members) == batch for batch, members in shown.items())


def test_only_aligned_weights_count() -> None:
    run = night(run_of(0), script=Script(WROTE, weights={WROTE[0][0]: 3.0}))
    (found,) = nights(run_of(1))
    weights = dict(zip(accepted(run), (0.75, 0.25), strict=True))
    assert {row["candidate_id"]: row["weight"] for row in found.weights().to_pylist()} == weights


def test_a_changed_table_changes_the_digest_and_figures_do_not() -> None:
    run = night(run_of(0), script=Script(WROTE))
    (before,) = nights(run_of(1))
    redo(run, "screen", lambda manifest: manifest["metrics"].update(seen=1))
    assert nights(run_of(1))[0].digest == before.digest
    night(run_of(0), script=Script(WROTE, weights={WROTE[0][0]: 2.0}))
    assert nights(run_of(1))[0].digest != before.digest


def test_verdicts_on_other_candidates_say_nothing_and_so_do_weights_after_them() -> None:
    run = night(run_of(0), script=Script(WROTE, frozenset({WROTE[1][0]})))
    night(run_of(0), script=Script((*WROTE, ("and thing three", "d3"))), until="generate", since="generate")
    (found,) = nights(run_of(1))
    assert sorted(found.manifests) == ["generate", "sample"]
    assert len(found.written()) == 3
    assert run.manifest("align") is not None
    assert not len(found.weights())


def test_an_interval_whose_batches_were_sampled_again_counts_when_it_was_asked_again() -> None:
    before = accepted(night(run_of(0)))
    more = run_of(0, settings(sampling={"batches": 3}))
    night(more, until="sample")
    assert names(run_of(1)) == []
    night(more, until="generate")
    (found,) = nights(run_of(1))
    assert len(found.shown()) == 3
    # The same batches asked the same again are the same candidates.
    assert set(before) <= set(found.written()["candidate_id"].to_pylist())


def test_without_its_batches_an_interval_counts_and_showed_nothing_that_is_known() -> None:
    (night(run_of(0)).folder / "sample").remove()
    (found,) = nights(run_of(1))
    assert found.shown() == {}
    assert len(found.written())


@pytest.mark.parametrize("damage", ["removed", "cut short"])
def test_a_damaged_table_is_named_with_its_interval(damage: str) -> None:
    run = night(run_of(0), until="generate")
    (file,) = run.files("candidates")
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:40])
    (found,) = nights(run_of(1))
    with pytest.raises(RunError, match=f"'candidates' of the earlier interval {run.interval.name}") as caught:
        found.written()
    assert str(run.folder) in caught.value.remedy


def test_a_manifest_that_is_none_is_named() -> None:
    run = night(run_of(0), until="generate")
    (run.folder / "generate" / manifests.NAME).write_bytes(b"{")
    with pytest.raises(RunError, match="cannot be read"):
        nights(run_of(1))


def test_candidates_of_an_older_version_do_not_say_what_their_documents_were(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        of_old(patch)
        run = night(run_of(0), until="generate")
        assert "document_digest" not in run.read("candidates").column_names
    (found,) = nights(run_of(1))
    assert not found.can_be_carried()
    night(run_of(1), until="generate")
    assert [each.can_be_carried() for each in nights(run_of(2))] == [False, True]


def of_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let candidates have the columns of before documents' digests were kept."""
    from synalign import tables

    new = tables.schema("candidates")
    old = new.remove(new.get_field_index("document_digest"))
    monkeypatch.setitem(tables.SCHEMAS, "candidates", old)
