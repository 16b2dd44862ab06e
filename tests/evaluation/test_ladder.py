"""That a tie is no choice, whatever the order of the queries; the standard error against an independent one."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.evaluation import ladder
from synalign.evaluation.ladder import KEPT, Cell, cells, champion, climb, kept, standard_error, walk

MASSES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
REAL = Cell(0.0, "none")
Score = Callable[[Cell, int], np.ndarray]

shapes = st.tuples(st.integers(1, 4), st.integers(2, 12))
scores_of_arms = st.builds(
    lambda shape, seed, means: np.clip(
        np.array(means)[:, None, None] + np.random.default_rng(seed).normal(0.0, 0.05, (len(means), *shape)), 0.0, 1.0
    ),
    shapes, st.integers(0, 2**32 - 1), st.lists(st.sampled_from([0.4, 0.45, 0.5, 0.6]), min_size=16, max_size=16),
)  # fmt: skip


def from_table(table: np.ndarray, masses: Sequence[float] = MASSES) -> Score:
    """Scores of a table of arms, seeds and queries, in the order of the ladder."""
    place = {cell: row for row, cell in enumerate(cells(masses))}
    return lambda cell, seed: table[place[cell], seed]


def by_mean(means: dict[Cell, float], noise: float = 0.0, queries: int = 200) -> Score:
    """Scores with a mean of their own for some arms, 0.5 for the others, and noise of each arm's own."""

    def score(cell: Cell, seed: int) -> np.ndarray:
        own = np.random.default_rng([seed, int(100 * cell.mass), len(cell.scheme)])
        return means.get(cell, 0.5) + noise * own.normal(size=queries)

    return score


def test_the_order_is_real_pairs_then_mass_then_scheme() -> None:
    assert [cell.words for cell in cells((2.0, 0.0, 0.5))] == [
        "real pairs alone", "equal at mass 0.5", "equal_mass at mass 0.5", "aligned at mass 0.5",
        "equal at mass 2", "equal_mass at mass 2", "aligned at mass 2",
    ]  # fmt: skip
    assert cells((0.0,)) == [REAL]


def test_where_all_are_equal_real_pairs_alone_are_chosen() -> None:
    found = climb(MASSES, range(3), by_mean({}))
    assert found.champion.cell == REAL
    assert all(entry.difference == 0.0 for entry in found.entries)


def test_chance_alone_seldom_moves_a_champion_far_and_a_clear_gain_does() -> None:
    best = Cell(2.0, "aligned")
    found = climb(MASSES, range(3), by_mean({best: 0.6}, noise=0.1))
    assert found.champion.cell == best
    assert found.champion.difference > 5 * found.champion.standard_error


def test_an_arm_that_is_better_by_less_than_an_error_is_no_choice() -> None:
    rows = np.random.default_rng(0).normal(0.5, 0.1, (3, 100))
    apart = np.random.default_rng(1).normal(0.0, 0.1, (3, 100))
    apart -= apart.mean()
    error = standard_error(apart)
    for factor, expected in ((0.99, REAL), (1.01, Cell(2.0, "equal"))):
        better = rows + apart + factor * error
        assert champion(walk({REAL: rows, Cell(2.0, "equal"): better})).cell == expected


def test_each_arm_and_seed_is_trained_once_and_few_arms_with_every_seed() -> None:
    asked: list[tuple[Cell, int]] = []
    score = by_mean({Cell(2.0, "equal"): 0.7, Cell(1.0, "aligned"): 0.65, Cell(4.0, "aligned"): 0.64}, noise=0.02)

    def noted(cell: Cell, seed: int) -> np.ndarray:
        asked.append((cell, seed))
        return score(cell, seed)

    found = climb(MASSES, range(5, 8), noted)
    assert len(asked) == len(set(asked)) == 16 + 2 * KEPT == ladder.trainings(MASSES, 3)
    assert [cell for cell, seed in asked if seed == 5] == cells(MASSES)
    again = [cell for cell, seed in asked if seed == 7]
    assert [entry.cell for entry in found.last] == again
    assert {REAL, Cell(2.0, "equal"), Cell(1.0, "aligned"), Cell(4.0, "aligned")} == set(again)
    assert [entry.round for entry in found.entries] == [1] * 16 + [2] * KEPT
    assert {entry.seeds for entry in found.last} == {3}


@pytest.mark.parametrize(
    ("masses", "seeds", "arms"), [((0.0,), 3, 1), ((2.0,), 3, 3), ((0.0, 2.0), 3, 4), (MASSES, 1, 16)]
)
def test_where_nothing_is_saved_there_is_one_round(masses: tuple[float, ...], seeds: int, arms: int) -> None:
    found = climb(masses, range(seeds), by_mean({}))
    assert [entry.round for entry in found.entries] == [1] * arms
    assert len(found.entries) * seeds == ladder.trainings(masses, seeds)
    assert found.champion.cell == cells(masses)[0]


def test_the_first_round_keeps_the_simplest_the_champion_and_the_best() -> None:
    means = [0.5, 0.9, 0.6, 0.8, 0.8, 0.7]
    some = [REAL, *(Cell(mass, "equal") for mass in (1.0, 2.0, 3.0, 4.0, 5.0))]
    entries = walk({cell: np.full((1, 5), mean) for cell, mean in zip(some, means, strict=True)})
    # Of two that are equally good the simpler one goes on.
    assert kept(entries, 3) == [some[0], some[1], some[3]]
    assert kept(entries, 2) == [some[0], some[1]]


@given(scores_of_arms)
@settings(max_examples=60, deadline=None)
def test_a_champion_is_better_than_the_one_before_by_more_than_an_error(table: np.ndarray) -> None:
    found = climb(MASSES, range(table.shape[1]), from_table(table))
    for rounds in ([entry for entry in found.entries if entry.round == number] for number in (1, 2)):
        best: Cell | None = None
        for entry in rounds:
            assert entry.against == best
            if best is not None:
                rows = [table[cells(MASSES).index(cell), : entry.seeds] for cell in (entry.cell, best)]
                assert entry.difference == pytest.approx((rows[0] - rows[1]).mean(), abs=1e-12)
                assert entry.replaced == (entry.difference > entry.standard_error + 1e-12)
            best = entry.cell if entry.replaced else best
    assert found.champion.cell in [entry.cell for entry in found.last if entry.replaced]


@given(scores_of_arms)
@settings(max_examples=60, deadline=None)
def test_the_chosen_is_better_than_every_champion_it_came_over_by_more_than_an_error(table: np.ndarray) -> None:
    """The standard error is a norm: what was beaten on the way up is beaten by the last."""
    found = climb(MASSES, range(table.shape[1]), from_table(table))
    for entry in found.last:
        if entry.replaced and entry.cell != found.champion.cell:
            apart = found.scores[found.champion.cell] - found.scores[entry.cell]
            assert apart.mean() > standard_error(apart) - 1e-9


@given(scores_of_arms, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_order_of_queries_changes_no_bit(table: np.ndarray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(table.shape[2])
    first, second = (climb(MASSES, range(rows.shape[1]), from_table(rows)) for rows in (table, table[:, :, order]))
    assert first.entries == second.entries
    assert first.figures() == second.figures()


@given(scores_of_arms)
@settings(max_examples=30, deadline=None)
def test_figures_are_numbers_and_the_chosen_differs_from_itself_by_nothing(table: np.ndarray) -> None:
    found = climb(MASSES, range(table.shape[1]), from_table(table))
    figures = found.figures()
    for content in figures:
        assert all(math.isfinite(value) for value in content.values() if isinstance(value, float))
    last = [content for content in figures if content["round"] == figures[-1]["round"]]
    (mine,) = [content for content in last if (content["mass"], content["scheme"]) == tuple(found.champion.cell)]
    assert mine["minus_chosen"] == mine["minus_chosen_standard_error"] == 0.0


@given(st.integers(1, 4), st.integers(2, 20), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_the_standard_error_is_that_of_numpy_and_a_norm(seeds: int, queries: int, seed: int) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, seeds, queries))
    by_query = one.mean(axis=0).var(ddof=1) / queries
    by_seed = one.mean(axis=1).var(ddof=1) / seeds if seeds > 1 else 0.0
    assert standard_error(one) == pytest.approx(math.sqrt(by_query + by_seed))
    assert standard_error(one + other) <= standard_error(one) + standard_error(other) + 1e-12
    assert standard_error(-3.0 * one) == pytest.approx(3.0 * standard_error(one))
    assert standard_error(np.full((seeds, queries), 0.1)) == pytest.approx(0.0, abs=1e-12)


def test_the_standard_error_is_near_the_truth_of_crossed_effects_and_not_below_it() -> None:
    """Means of queries, trainings and rest drawn 4,000 times: their spread is what the error estimates."""
    random, seeds, queries, times = np.random.default_rng(0), 3, 60, 4000
    drawn = (
        0.10 * random.normal(size=(times, 1, queries)) + 0.02 * random.normal(size=(times, seeds, 1))
        + 0.10 * random.normal(size=(times, seeds, queries))
    )  # fmt: skip
    truth = drawn.mean(axis=(1, 2)).std()
    estimated = math.sqrt(np.mean([standard_error(rows) ** 2 for rows in drawn[:1000]]))
    assert truth < estimated < 1.2 * truth


def test_one_query_shows_nothing() -> None:
    assert standard_error(np.array([[0.4], [0.5]])) == math.inf
    rows = {REAL: np.zeros((2, 1)), Cell(2.0, "equal"): np.ones((2, 1))}
    assert champion(walk(rows)).cell == REAL
