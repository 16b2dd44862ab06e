"""What is taken up and what stays behind: each reason once, and that together they account for all that is found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from synalign.pool.carrying import Carried
from synalign.pool.splits import split_of
from synalign.pool.uptake import take_up
from synalign.run import Run
from synalign.tables import content_id
from tests.pool.test_nights import of_old
from tests.pool.world import DOCUMENTS, QUERIES, Day, Script, night, run_of, settings

ONE, TWO, THREE = ("what is thing one", "d1"), ("how is thing two", "d2"), ("and thing three", "d3")


def taken(run: Run, day: Day | None = None) -> Carried:
    """What a run takes up, its traffic ingested."""
    found = take_up(night(run, day, until="ingest"))
    assert found.found == len(found.rows) + sum(found.left.values())
    assert all(found.left.values())
    assert found.nights == len(set(found.rows["interval"].to_pylist()))
    return found


def queries(found: Carried) -> list[str]:
    result: list[str] = found.rows["query"].to_pylist()
    return result


def week(scripts: Mapping[int, Script], **sections: Any) -> None:
    """Nights of so many days, with what each writes."""
    for number, script in scripts.items():
        night(run_of(number, settings(**sections)), script=script)


def test_the_first_interval_finds_nothing() -> None:
    assert taken(run_of(0))[1:] == (0, {}, 0)


def test_oldest_first_and_only_what_was_accepted() -> None:
    week({0: Script((ONE, TWO), frozenset({TWO[0]})), 1: Script((THREE,))})
    found = taken(run_of(2))
    assert queries(found) == [ONE[0], THREE[0]]
    assert (found.found, found.left, found.nights) == (2, {}, 2)


def test_nothing_is_carried_for_zero_nights() -> None:
    week({0: Script((ONE,))})
    assert taken(run_of(1, settings(pool={"nights": 0})))[1:] == (0, {}, 0)


def test_of_twins_the_oldest_stays() -> None:
    # The same batch is asked the same on all these days: same request, same words, same id.
    sections = {"sampling": {"batches": 99}}
    for number in (0, 1, 2):
        night(run_of(number, settings(**sections)), until="generate")
    found = taken(run_of(3, settings(**sections)))
    assert found.left == {"written_again": 2 * len(found.rows)}
    assert set(found.rows["interval"].to_pylist()) == {run_of(0).interval.name}


def test_a_twin_of_one_that_was_not_accepted_is_taken_up() -> None:
    sections = {"sampling": {"batches": 99}}
    week({0: Script((ONE,), frozenset({ONE[0]})), 1: Script((ONE,))}, **sections)
    ids = {name for number in (0, 1) for name in run_of(number, settings(**sections)).read("candidates")[0].to_pylist()}
    found = taken(run_of(2, settings(**sections)))
    assert found.rows["candidate_id"].to_pylist() == list(ids)
    assert found.rows["interval"].to_pylist() == [run_of(1).interval.name]


@pytest.mark.parametrize("writer", ["any", "current"])
def test_another_model_counts_only_where_it_is_asked_for(writer: str) -> None:
    night(run_of(0, settings(generation={"model": "old"})), script=Script((ONE,)), until="generate")
    night(run_of(1), script=Script((TWO,)), until="generate")
    found = taken(run_of(2, settings(pool={"writer": writer})))
    assert queries(found) == ([ONE[0], TWO[0]] if writer == "any" else [TWO[0]])
    assert found.left == ({} if writer == "any" else {"other_writer": 1})


@pytest.mark.parametrize("kind", ["reason", "write"])
def test_another_wording_of_either_prompt_is_another_writer(kind: str) -> None:
    night(run_of(0), script=Script((ONE,)), until="generate")
    assert queries(taken(run_of(1, settings(pool={"writer": "current"})))) == [ONE[0]]
    assert taken(run_of(2, reworded(kind))).left == {"other_writer": 1}


def reworded(kind: str) -> Any:
    """Today's settings with a prompt of the retriever's own."""
    text = "Say it in other words.\n=== user ===\n<data>\n$data\n</data>\n"
    own = settings(pool={"writer": "current"}, generation={"prompts": {kind: "mine.txt"}})
    return own.with_templates({kind: text})


def test_a_batch_of_which_a_query_is_gone_is_not_taken_up() -> None:
    run = night(run_of(0), script=Script((ONE,)), until="generate")
    (run.folder / "sample").remove()
    assert taken(run_of(1)).left == {"batch_incomplete": 1}


def test_nothing_of_a_batch_is_taken_up_that_showed_what_judges_today() -> None:
    night(run_of(0), until="generate")
    today = settings(ingest={"split_salt": "another"})
    found = taken(run_of(1, today))
    judging = {name for name in map(content_id, QUERIES) if split_of(name, today.ingest) != "train"}
    shown = {row["batch_id"] for row in run_of(0).read("demonstrations").to_pylist() if row["query_id"] in judging}
    expected = [row for row in run_of(0).read("candidates").to_pylist() if row["batch_id"] not in shown]
    assert len(shown) > 0
    assert found.left == {"held_out_shown": 12 - len(expected)}
    assert found.rows["candidate_id"].to_pylist() == [row["candidate_id"] for row in expected]


def test_a_query_that_is_not_in_the_log_any_more_judges_nothing() -> None:
    night(run_of(0), until="generate")
    found = taken(run_of(1, settings(ingest={"split_salt": "another"})), Day(queries=("something else",)))
    assert found.left == {}


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ({"d1": None}, "document_gone"),
        ({"d1": "about thing 1, revised"}, "document_changed"),
        ({"d2": None, "d3": "another"}, None),
    ],
)
def test_documents_have_to_be_there_and_to_say_what_they_said(now: dict[str, str | None], reason: str | None) -> None:
    night(run_of(0), script=Script((ONE,)), until="generate")
    documents = {name: text for name, text in {**DOCUMENTS, **now}.items() if text is not None}
    found = taken(run_of(1), Day(documents=documents))
    assert found.left == ({reason: 1} if reason else {})


def test_a_document_that_says_again_what_it_said_brings_its_queries_back() -> None:
    night(run_of(0), script=Script((ONE,)), until="generate")
    night(run_of(1), Day(documents={**DOCUMENTS, "d1": "another"}), script=Script((TWO,)), until="generate")
    assert queries(taken(run_of(2))) == [ONE[0], TWO[0]]


@pytest.mark.parametrize(("most", "count"), [(5, 0), (4, 1), (3, 1)])
def test_length_counts_characters_as_for_real_queries(most: int, count: int) -> None:
    night(run_of(0), script=Script((("naïve", "d1"),)), until="generate")
    found = taken(run_of(1, settings(ingest={"max_query_characters": most})), Day(queries=()))
    assert found.left == ({"over_length": count} if count else {})


@pytest.mark.slow
def test_what_weighs_nothing_so_many_times_in_a_row_is_retired_and_does_not_come_back() -> None:
    nothing = Script((), weights={ONE[0]: 0.0})
    sections = {"pool": {"retire_after": 2}}
    week({0: Script((ONE, TWO), weights={ONE[0]: 0.0})}, **sections)
    assert taken(run_of(1, settings(**sections))).left == {}
    week({1: nothing}, **sections)
    for number in (2, 3):
        night(run_of(number, settings(**sections)), script=Script(()))
        metrics = run_of(number, settings(**sections)).require("carry")["metrics"]
        assert (metrics["carried"], metrics["left"]) == (1, {"retired": 1})
    assert taken(run_of(4, settings(pool={"retire_after": 0}))).left == {}
    assert taken(run_of(4, settings(pool={"retire_after": 3}))).left == {}


@pytest.mark.slow
def test_one_weight_in_between_begins_the_count_anew() -> None:
    light = Script((), weights={ONE[0]: 0.0})
    week({0: Script((ONE, TWO), weights={ONE[0]: 0.0}), 1: Script(()), 2: light})
    assert taken(run_of(3, settings(pool={"retire_after": 2}))).left == {}
    assert taken(run_of(3, settings(pool={"retire_after": 1}))).left == {"retired": 1}


@pytest.mark.slow
def test_an_interval_that_did_not_weigh_it_neither_counts_nor_ends_the_count() -> None:
    light = Script((), weights={ONE[0]: 0.0})
    week({0: Script((ONE, TWO), weights={ONE[0]: 0.0}), 1: Script((), frozenset({ONE[0]})), 2: light})
    assert taken(run_of(3, settings(pool={"retire_after": 2}))).left == {"retired": 1}
    assert taken(run_of(3, settings(pool={"retire_after": 3}))).left == {}


@pytest.mark.slow
def test_over_the_limit_the_lightest_go_then_the_oldest_and_what_was_never_weighed_stays() -> None:
    night(run_of(0), script=Script((ONE, ("two a", "d2"), ("two b", "d2")), weights={ONE[0]: 5.0}))
    night(run_of(1), script=Script((THREE,), weights={ONE[0]: 0.5, "two a": 2.0}))
    night(run_of(2), script=Script((TWO,)), until="generate")
    # By the latest weights: two a 2, two b and THREE 1, ONE 0.5; TWO has none yet.
    order = ["two a", THREE[0], "two b", ONE[0]]
    for most in range(1, 6):
        found = taken(run_of(3, settings(pool={"max_candidates": most})))
        assert set(queries(found)) == {TWO[0], *order[: most - 1]}
        assert found.left == ({"over_limit": 5 - most} if most < 5 else {})
        intervals = found.rows["interval"].to_pylist()
        assert intervals == sorted(intervals)


def test_each_is_counted_once_by_the_first_reason() -> None:
    night(run_of(0, settings(generation={"model": "old"})), script=Script((ONE, TWO, THREE)), until="generate")
    night(run_of(1), script=Script((("long " * 30, "d1"), ("short", "d2"), ("gone", "d4"))), until="generate")
    documents = {name: text for name, text in DOCUMENTS.items() if name not in ("d3", "d4")}
    today = settings(pool={"writer": "current"}, ingest={"max_query_characters": 100})
    found = taken(run_of(2, today), Day(documents=documents))
    assert found.left == {"other_writer": 3, "document_gone": 1, "over_length": 1}
    assert queries(found) == ["short"]


def test_an_interval_of_an_older_version_is_not_carried_but_its_weights_count(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        of_old(patch)
        night(run_of(0), until="generate")
    night(run_of(1), script=Script((ONE,)), until="generate")
    assert queries(taken(run_of(2))) == [ONE[0]]
    assert "1 intervals were written by an older SynAlign" in caplog.text
