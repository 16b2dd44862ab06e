"""Whole nights, in any order and however often: what is carried is what the finished intervals before wrote.

The oracle reads the tables of all earlier nights row by row and knows the rules by heart; it shares no code with
`synalign.pool`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synalign.config import Configuration
from synalign.run import Run
from synalign.steps.carry import outside
from synalign.tables import content_id
from synalign.upkeep.forget import forget
from tests.pool import world
from tests.pool.world import DOCUMENTS, QUERIES, Day, digests_of, night, run_of

NIGHTS = 4

days = st.builds(
    Day,
    st.sets(st.sampled_from(QUERIES), min_size=24).map(sorted),
    st.dictionaries(st.sampled_from(sorted(DOCUMENTS)), st.sampled_from(["says this", "says that"]), min_size=2),
)
weeks = st.lists(days, min_size=NIGHTS, max_size=NIGHTS)
shapes = st.fixed_dictionaries(
    {},
    optional={
        "pool": st.fixed_dictionaries(
            {},
            optional={
                "nights": st.integers(0, 3),
                "max_candidates": st.integers(1, 30),
                "retire_after": st.integers(0, 3),
                "writer": st.sampled_from(["any", "current"]),
            },
        ),
        "sampling": st.fixed_dictionaries({}, optional={"neighbours": st.integers(0, 2), "batches": st.integers(1, 3)}),
    },
)
whole_nights = settings(
    max_examples=int(os.environ.get("NIGHTS_EXAMPLES", "6")),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@contextmanager
def store() -> Iterator[Path]:
    """Runs in memory, where there is such a place."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


def one_by_one(week: Sequence[Day], configuration: Configuration, base: Path) -> list[Run]:
    """The nights of a week, each when its time has come."""
    return [night(run_of(number, configuration, base), day) for number, day in enumerate(week)]


@pytest.mark.slow
@whole_nights
@given(weeks, shapes)
def test_what_is_carried_is_what_an_oracle_finds(week: list[Day], shape: dict[str, Any]) -> None:
    with store() as base:
        runs = one_by_one(week, world.settings(**shape), base)
        for number, run in enumerate(runs):
            assert world.carried(run) == expected(run, runs[:number])
            metrics = run.require("carry")["metrics"]
            assert metrics["found"] == metrics["carried"] + sum(metrics["left"].values())


@pytest.mark.slow
@whole_nights
@given(weeks, shapes, st.lists(st.integers(0, NIGHTS - 1), max_size=3))
def test_nights_run_again_in_any_order_have_the_same_bytes(
    week: list[Day], shape: dict[str, Any], again: list[int]
) -> None:
    with store() as base:
        configuration = world.settings(**shape)
        before = [digests_of(run) for run in one_by_one(week, configuration, base)]
        for number in again:
            night(run_of(number, configuration, base), week[number])
        assert [digests_of(run_of(number, configuration, base)) for number in range(NIGHTS)] == before


@pytest.mark.slow
@whole_nights
@given(weeks, st.integers(0, NIGHTS - 1), st.sampled_from([step.name for step in world.STEPS]))
def test_a_night_that_was_killed_anywhere_is_what_it_would_have_been(week: list[Day], killed: int, at: str) -> None:
    with store() as first, store() as second:
        configuration = world.settings()
        before = [digests_of(run) for run in one_by_one(week, configuration, first)]
        for number, day in enumerate(week):
            run = run_of(number, configuration, second)
            if number == killed:
                night(run, day, until=at)
                # What was at work then has left a folder without a manifest, and half a table.
                (run.folder / at / "20260301T000000Z-0123abcd" / "carried").make()
            night(run, day)
        assert [digests_of(run_of(number, configuration, second)) for number in range(NIGHTS)] == before


@pytest.mark.slow
@whole_nights
@given(weeks, st.permutations(range(NIGHTS)))
def test_a_week_backfilled_in_any_order_is_the_same_once_each_night_was_run_again_in_its_turn(
    week: list[Day], order: list[int]
) -> None:
    with store() as first, store() as second:
        configuration = world.settings()
        before = [digests_of(run) for run in one_by_one(week, configuration, first)]
        for number in order:
            run = night(run_of(number, configuration, second), week[number])
            # A later interval that is there already is none of its business.
            there = [run_of(other, configuration, second) for other in range(number)]
            assert world.carried(run) == expected(run, [other for other in there if other.manifest("generate")])
        for number in range(NIGHTS):
            night(run_of(number, configuration, second), week[number])
        assert [digests_of(run_of(number, configuration, second)) for number in range(NIGHTS)] == before


@pytest.mark.slow
@whole_nights
@given(weeks, st.integers(0, NIGHTS - 2))
def test_a_skipped_night_leaves_no_hole_and_is_found_when_it_comes_late(week: list[Day], skipped: int) -> None:
    with store() as base:
        configuration = world.settings()
        runs = [run_of(number, configuration, base) for number in range(NIGHTS)]
        for number, run in enumerate(runs[:-1]):
            if number != skipped:
                night(run, week[number])
        night(runs[skipped], week[skipped])
        night(runs[-1], week[-1])
        assert world.carried(runs[-1]) == expected(runs[-1], runs[:-1])


@pytest.mark.slow
@whole_nights
@given(weeks, st.sampled_from([step.name for step in world.STEPS[:-1]]))
def test_of_two_nights_at_once_each_takes_what_is_finished_and_a_rerun_the_rest(week: list[Day], until: str) -> None:
    with store() as base:
        configuration = world.settings()
        runs = [run_of(number, configuration, base) for number in range(3)]
        night(runs[0], week[0])
        night(runs[1], week[1], until=until)
        night(runs[2], week[2])
        asked = runs[1].manifest("generate") is not None
        assert world.carried(runs[2]) == expected(runs[2], runs[: 2 if asked else 1])
        seen = runs[2].require("carry")["outside"]
        night(runs[1], week[1])
        assert outside(runs[2]) != seen
        night(runs[2], week[2])
        assert runs[2].require("carry")["outside"] == outside(runs[2])
        assert world.carried(runs[2]) == expected(runs[2], runs[:2])


@pytest.mark.slow
@whole_nights
@given(weeks, st.text(max_size=8))
def test_what_judges_today_was_shown_for_nothing_that_is_carried(week: list[Day], salt: str) -> None:
    with store() as base:
        runs = one_by_one(week[:-1], world.settings(), base)
        today = night(run_of(NIGHTS, world.settings(ingest={"split_salt": salt}), base), week[-1])
        assert world.carried(today) == expected(today, runs)
        judging = {row["query_id"] for row in today.read("queries").to_pylist() if row["split"] != "train"}
        shown = {
            row["query_id"]
            for run in runs
            for row in run.read("demonstrations").to_pylist()
            if row["batch_id"] in set(today.read("pool")["batch_id"].to_pylist())
        }
        assert not shown & judging


@pytest.mark.slow
@whole_nights
@given(weeks, st.sampled_from(QUERIES), st.booleans())
def test_after_a_query_is_forgotten_nothing_is_carried_that_it_was_shown_for(
    week: list[Day], query: str, exact: bool
) -> None:
    with store() as base, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNALIGN_HOME", str(base))
        runs = [night(run_of(number), day) for number, day in enumerate(week[:-1])]
        shown = {
            row["batch_id"]
            for run in runs
            for row in run.read("demonstrations").to_pylist()
            if row["query_id"] == content_id(query)
        }
        forget(query, exact=exact)
        log = [text for text in week[-1].queries if text != query]
        today = night(run_of(NIGHTS), week[-1]._replace(queries=log))
        assert world.carried(today) == expected(today, runs)
        assert not shown & set(today.read("carried")["batch_id"].to_pylist())


def expected(run: Run, before: Sequence[Run]) -> list[tuple[str, str]]:
    """Interval and id of what a run is to carry, row by row."""
    chosen = run.configuration.pool
    before = before[-chosen.nights :] if chosen.nights else []
    says = {row["document_id"]: [row["title"], row["text"]] for row in run.read("documents").to_pylist()}
    judging = {row["query_id"] for row in run.read("queries").to_pylist() if row["split"] != "train"}
    weights = [weights_of(other) for other in before]
    kept: list[tuple[str, str]] = []
    for other in before:
        members: dict[str, list[str]] = {}
        for row in other.read("demonstrations").to_pylist():
            members.setdefault(row["batch_id"], []).append(row["query_id"])
        verdicts = {}
        if other.manifest("screen") is not None:
            verdicts = {row["candidate_id"]: row["status"] for row in other.read("screening").to_pylist()}
        for row in other.read("candidates").to_pylist():
            name, document = row["candidate_id"], says.get(row["document_id"])
            heavy = [there[name] >= 1e-6 for there in weights if name in there]
            idle = next((at for at, weighs in enumerate(reversed(heavy)) if weighs), len(heavy))
            if (
                verdicts.get(name, "accepted") == "accepted"
                and name not in [id for _, id in kept]
                and digest(members.get(row["batch_id"], [])) == row["batch_id"]
                and not judging & set(members[row["batch_id"]])
                and document is not None
                and row["document_digest"] == digest(document)
                and not (chosen.retire_after and idle >= chosen.retire_after)
            ):
                kept.append((other.interval.name, name))
    lightest = sorted(range(len(kept)), key=lambda at: (latest(kept[at][1], weights), at))
    going = lightest[: max(0, len(kept) - chosen.max_candidates)]
    return [pair for at, pair in enumerate(kept) if at not in going]


def digest(parts: Sequence[str]) -> str:
    """The id of some texts, by its definition."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def weights_of(run: Run) -> dict[str, float]:
    """Aligned weights as multiples of their mean; none of a run that has not weighed."""
    if run.manifest("align") is None:
        return {}
    aligned = [row for row in run.read("weights").to_pylist() if row["scheme"] == "aligned"]
    return {row["candidate_id"]: row["weight"] * len(aligned) for row in aligned}


def latest(name: str, weights: Sequence[dict[str, float]]) -> float:
    """The last weight of a candidate."""
    return next((there[name] for there in reversed(weights) if name in there), float("inf"))
