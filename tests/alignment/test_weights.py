"""Weights against quadprog, hand-worked cases and the properties the problem must have."""

from __future__ import annotations

import numpy as np
import pytest
import quadprog
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.alignment import Alignment, HeldOut, align, gradient, simplex
from tests.alignment.rows import rows_of

PROPERTY = settings(max_examples=15, derandomize=True)


def plain_kernel(left: np.ndarray, right: np.ndarray, widths: tuple[float, ...]) -> np.ndarray:
    squared = np.square(left[:, None] - right[None]).sum(axis=2)
    return np.mean([np.exp(-squared / (2 * width**2)) for width in widths], axis=0)


class Problem:
    """The objective written out term by term, as in the issue, in numpy."""

    def __init__(
        self,
        synthetic: np.ndarray,
        real: np.ndarray,
        widths: tuple[float, ...],
        *,
        documents: np.ndarray | None = None,
        ridge: float = 3e-4,
        coverage: float = 1e-2,
        masses: np.ndarray | None = None,
    ) -> None:
        masses = np.full(len(real), 1 / len(real)) if masses is None else masses
        self.kernel = plain_kernel(synthetic, synthetic, widths)
        self.linear = plain_kernel(synthetic, real, widths) @ masses
        self.own = masses @ plain_kernel(real, real, widths) @ masses
        self.ridge, self.coverage = ridge, coverage
        self.members = None if documents is None else (documents[:, None] == np.unique(documents)).astype(float)

    def mmd2(self, w: np.ndarray) -> float:
        return float(w @ self.kernel @ w - 2 * w @ self.linear + self.own)

    def objective(self, w: np.ndarray) -> float:
        value = self.mmd2(w) + self.ridge * len(w) * float(w @ w)
        if self.members is not None:
            share = 1 / self.members.shape[1]
            value += self.coverage / share * float(np.square(self.members.T @ w - share).sum())
        return value

    def solved_by_quadprog(self) -> np.ndarray:
        rows = len(self.kernel)
        matrix = self.kernel + self.ridge * rows * np.eye(rows)
        linear = self.linear.copy()
        if self.members is not None:
            matrix += self.coverage * self.members.shape[1] * self.members @ self.members.T
            linear += self.coverage  # D x mass_d x 1/D, summed over the documents of each row
        constraints = np.column_stack([np.ones(rows), np.eye(rows)])
        # quadprog wants a definite matrix; 1e-13 on the diagonal moves the optimum by less than that.
        solution = quadprog.solve_qp(
            2 * matrix + 1e-13 * np.eye(rows), 2 * linear, constraints, np.r_[1.0, np.zeros(rows)], 1
        )[0]
        clipped = np.maximum(solution, 0)
        return clipped / clipped.sum()


@pytest.mark.parametrize("widths", [(1.1,), (0.3, 0.6, 1.2, 2.4, 4.8), (0.6, 1.2, 2.4)])
@pytest.mark.parametrize("ridge", [0.0, 3e-4, 0.1])
@pytest.mark.parametrize("coverage", [None, 0.0, 1e-2, 1.0])
def test_optimum_is_that_of_quadprog(widths: tuple[float, ...], ridge: float, coverage: float | None) -> None:
    synthetic, real = rows_of(40, seed=1), rows_of(60, seed=2, skew=-1.0)
    documents = None if coverage is None else np.random.default_rng(3).integers(0, 9, size=40)
    problem = Problem(synthetic, real, widths, documents=documents, ridge=ridge, coverage=coverage or 0.0)
    found = align(
        synthetic, real, documents=documents, bandwidths=widths, ridge=ridge, coverage=coverage or 0.0, tolerance=1e-8
    )
    optimum = problem.objective(problem.solved_by_quadprog())
    value = problem.objective(found.weights)
    assert found.objective == pytest.approx(value, abs=1e-13)
    assert found.mmd2 == pytest.approx(problem.mmd2(found.weights), abs=1e-13)
    assert found.mmd2_uniform == pytest.approx(problem.mmd2(np.full(40, 1 / 40)), abs=1e-13)
    assert value - optimum <= found.gap + 1e-12
    assert found.converged and found.gap <= max(1e-8 * optimum, 1e-12)
    if ridge >= 0.1:  # strongly convex, so the weights themselves are fixed
        np.testing.assert_allclose(found.weights, problem.solved_by_quadprog(), atol=1e-5)


def test_real_counts_weigh_the_real_rows_as_repeating_them_does() -> None:
    synthetic, real = rows_of(30, seed=1), rows_of(10, seed=2, skew=-1.0)
    counts = np.random.default_rng(4).integers(0, 5, size=10)
    counted = align(synthetic, real, bandwidths=1.0, real_counts=counts)
    repeated = align(synthetic, np.repeat(real, counts, axis=0), bandwidths=1.0)
    np.testing.assert_allclose(counted.weights, repeated.weights, atol=1e-9)
    assert counted.mmd2 == pytest.approx(repeated.mmd2, abs=1e-14)


def test_two_rows_have_the_hand_worked_weights() -> None:
    # K = [[1, k], [k, 1]], b = (1, k): on w = (v, 1 - v) the objective is
    # 2 (1 - k) (1 - v)^2 + 2 ridge (v^2 + (1 - v)^2), smallest at v = (1 - k + ridge) / (1 - k + 2 ridge).
    k, ridge = np.exp(-1.0), 0.25
    found = align(np.eye(2), np.eye(2)[:1], bandwidths=1.0, ridge=ridge, tolerance=1e-12)
    first = (1 - k + ridge) / (1 - k + 2 * ridge)
    np.testing.assert_allclose(found.weights, [first, 1 - first], atol=1e-7)


def test_strong_coverage_gives_every_document_the_same_mass() -> None:
    documents = ["a"] * 20 + ["b"] * 5 + ["c"] * 5
    found = align(rows_of(30, seed=1), rows_of(20, seed=2), documents=documents, coverage=10.0)
    assert found.converged
    masses = [sum(w for w, d in zip(found.weights, documents, strict=True) if d == name) for name in "abc"]
    np.testing.assert_allclose(masses, 1 / 3, atol=2e-3)
    assert found.document_effective_sample_size == pytest.approx(3.0, abs=1e-4)


def test_ridge_and_coverage_raise_their_effective_sample_sizes() -> None:
    synthetic, real = rows_of(60, seed=1), rows_of(60, seed=2, skew=-2.0)
    documents = np.arange(60) % 20
    plain = align(synthetic, real, documents=documents, ridge=0.0, coverage=0.0)
    ridged = align(synthetic, real, documents=documents, ridge=1e-2, coverage=0.0)
    covered = align(synthetic, real, documents=documents, ridge=0.0, coverage=1e-1)
    assert ridged.effective_sample_size > plain.effective_sample_size
    assert covered.document_effective_sample_size > plain.document_effective_sample_size  # type: ignore[operator]
    assert plain.mmd2 <= min(ridged.mmd2, covered.mmd2) + plain.gap


def test_default_bandwidth_is_the_median_distance_of_the_real_rows() -> None:
    synthetic, real = rows_of(10, seed=1), rows_of(30, seed=2)
    distances = [np.linalg.norm(real[i] - real[j]) for i in range(30) for j in range(i)]
    assert align(synthetic, real).bandwidths == (pytest.approx(np.median(distances)),)


class TestHardInputs:
    def test_one_synthetic_row_has_all_the_weight(self) -> None:
        found = align(rows_of(1, seed=1), rows_of(5, seed=2), documents=["a"])
        assert found.weights.tolist() == [1.0]
        assert (found.gap, found.effective_sample_size, found.document_effective_sample_size) == (0.0, 1.0, 1.0)

    def test_all_rows_equal_share_equally(self) -> None:
        rows = np.tile(rows_of(1, seed=1), (7, 1))
        for ridge in (0.0, 3e-4):
            np.testing.assert_allclose(align(rows, rows[:3], ridge=ridge).weights, 1 / 7, atol=1e-15)

    def test_identical_sets_have_an_objective_of_zero_to_rounding(self) -> None:
        rows = rows_of(50, seed=1)
        found = align(rows, rows, ridge=0.0, documents=range(50))
        assert found.objective < 1e-14 and found.gap < 1e-12 and found.mmd2 < 1e-14
        np.testing.assert_allclose(found.weights, 1 / 50, atol=1e-12)

    def test_identical_sets_stay_at_equal_weights_with_the_default_ridge(self) -> None:
        rows = rows_of(50, seed=1)
        found = align(rows, rows)
        assert found.objective == pytest.approx(3e-4, abs=1e-14)
        assert found.mmd2 < 1e-14

    def test_more_synthetic_than_real_rows(self) -> None:
        synthetic, real = rows_of(80, seed=1), rows_of(5, seed=2)
        found = align(synthetic, real)
        assert found.converged and found.mmd2 < found.mmd2_uniform

    @pytest.mark.parametrize("ridge", [0.0, 3e-4])
    def test_hundreds_of_near_duplicates_converge_and_do_not_draw_mass(self, ridge: float) -> None:
        real = rows_of(60, seed=2)
        flood = real[0] + 1e-6 * np.random.default_rng(5).normal(size=(200, 8))
        flood /= np.linalg.norm(flood, axis=1, keepdims=True)
        found = align(np.concatenate([rows_of(60, seed=1), flood]), real, ridge=ridge)
        assert found.converged
        assert found.weights[60:].sum() < 0.2
        assert found.mmd2 < 0.2 * found.mmd2_uniform


class TestCertificate:
    def test_iteration_limit_returns_a_true_gap_and_says_it_did_not_converge(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synthetic, real = rows_of(40, seed=1), rows_of(60, seed=2, skew=-1.0)
        optimum = align(synthetic, real, bandwidths=1.0, tolerance=1e-9)
        monkeypatch.setattr(simplex, "ITERATION_LIMIT", 2)
        stopped = align(synthetic, real, bandwidths=1.0, tolerance=1e-9)
        assert not stopped.converged and stopped.iterations == 2
        assert optimum.objective + optimum.gap < stopped.objective
        assert stopped.objective - optimum.objective <= stopped.gap

    def test_curvature_set_too_low_is_raised_until_it_bounds_the_steps(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gradient, "largest_curvature", lambda product, direction: 1e-9)
        found = align(rows_of(40, seed=1), rows_of(60, seed=2, skew=-1.0))
        assert found.converged

    def test_looser_tolerance_stops_earlier(self) -> None:
        synthetic, real = rows_of(60, seed=1), rows_of(60, seed=2, skew=-1.0)
        loose, tight = (align(synthetic, real, ridge=0.1, tolerance=tolerance) for tolerance in (0.1, 1e-8))
        assert loose.iterations < tight.iterations
        assert loose.objective - tight.objective <= loose.gap


class TestProperties:
    @PROPERTY
    @given(seed=st.integers(0, 500), rows=st.integers(2, 40), ridge=st.sampled_from([0.0, 3e-4, 1e-2]))
    def test_weights_are_on_the_simplex_and_never_worse_than_equal_ones(
        self, seed: int, rows: int, ridge: float
    ) -> None:
        synthetic, real = rows_of(rows, seed=seed), rows_of(25, seed=seed + 1, skew=-1.0)
        documents = np.random.default_rng(seed).integers(0, 6, size=rows)
        found = align(synthetic, real, documents=documents, ridge=ridge, tolerance=1e-2)
        problem = Problem(synthetic, real, found.bandwidths, documents=documents, ridge=ridge)
        assert found.weights.dtype == np.float64 and (found.weights >= 0).all()
        assert found.weights.sum() == pytest.approx(1.0, abs=1e-14)
        assert problem.objective(found.weights) <= problem.objective(np.full(rows, 1 / rows)) + 1e-14

    @PROPERTY
    @given(seed=st.integers(0, 500))
    def test_order_of_candidates_does_not_matter(self, seed: int) -> None:
        synthetic, real = rows_of(30, seed=seed), rows_of(25, seed=seed + 1, skew=-1.0)
        generator = np.random.default_rng(seed)
        documents, order = generator.integers(0, 6, size=30), generator.permutation(30)
        plain = align(synthetic, real, documents=documents, ridge=1e-3, tolerance=1e-10)
        mixed = align(synthetic[order], real, documents=documents[order], ridge=1e-3, tolerance=1e-10)
        np.testing.assert_allclose(mixed.weights, plain.weights[order], atol=1e-5)

    @PROPERTY
    @given(seed=st.integers(0, 500), copies=st.integers(2, 5), ridge=st.sampled_from([0.0, 3e-4]))
    def test_copies_of_a_row_share_its_weight_equally(self, seed: int, copies: int, ridge: float) -> None:
        synthetic, real = rows_of(20, seed=seed), rows_of(25, seed=seed + 1, skew=-1.0)
        place = int(np.argmax(align(synthetic, real, ridge=ridge).weights))
        copied = np.concatenate([synthetic, np.tile(synthetic[place], (copies - 1, 1))])
        documents = [*range(20), *[place] * (copies - 1)]
        found = align(copied, real, documents=documents, ridge=ridge).weights
        np.testing.assert_allclose(found[20:], found[place], rtol=1e-6, atol=1e-10)

    def test_same_input_gives_same_bytes(self) -> None:
        arguments = (rows_of(70, seed=1).astype(np.float32), rows_of(50, seed=2).astype(np.float32))
        first, second = (align(*arguments, held_out=rows_of(9, seed=3)) for _ in range(2))
        assert first.weights.tobytes() == second.weights.tobytes()
        assert first._replace(weights=None, seconds=0) == second._replace(weights=None, seconds=0)


class TestReport:
    def test_held_out_improves_where_the_target_differs(self) -> None:
        synthetic, real = rows_of(120, seed=1), rows_of(80, seed=2, skew=-1.5)
        held_out = rows_of(80, seed=3, skew=-1.5)
        found = align(synthetic, real, held_out=held_out)
        assert isinstance(found.held_out, HeldOut)
        assert found.held_out.mmd2 < found.held_out.mmd2_uniform and found.held_out.p_value < 0.01
        to_held_out = Problem(synthetic, held_out, found.bandwidths)
        assert found.held_out.mmd2 == pytest.approx(to_held_out.mmd2(found.weights), abs=1e-13)
        assert found.held_out.mmd2_uniform == pytest.approx(to_held_out.mmd2(np.full(120, 1 / 120)), abs=1e-13)

    def test_absent_parts_are_none(self) -> None:
        found = align(rows_of(5, seed=1), rows_of(5, seed=2))
        assert found.held_out is None and found.document_effective_sample_size is None

    def test_prints_gain_and_cost(self) -> None:
        found = align(
            rows_of(5, seed=1),
            rows_of(5, seed=2),
            documents=["a", "a", "b", "b", "c"],
            held_out=rows_of(4, seed=3),
        )
        gained, cost = str(found).splitlines()
        assert gained.startswith("gained: squared MMD") and "held out" in gained
        assert "of 5, over documents" in cost and "design effect" in cost

    def test_sizes_agree_with_each_other(self) -> None:
        found: Alignment = align(rows_of(50, seed=1), rows_of(50, seed=2, skew=-1.0))
        assert found.design_effect * found.effective_sample_size == pytest.approx(50)
        assert found.effective_sample_size == pytest.approx(1 / np.square(found.weights).sum())
        assert found.seconds > 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_gpu_gives_the_weights_of_the_cpu() -> None:
    synthetic, real = rows_of(60, seed=1), rows_of(60, seed=2, skew=-1.0)
    plain, fast = (align(synthetic, real, ridge=1e-2, tolerance=1e-9, device=device) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(fast.weights, plain.weights, atol=1e-6)
    assert fast.objective == pytest.approx(plain.objective, abs=1e-12)


class TestInitial:
    def test_yesterdays_weights_lead_to_the_same_optimum(self) -> None:
        synthetic, real = rows_of(120, seed=1), rows_of(90, seed=2, skew=-1.0)
        cold = align(synthetic, real, ridge=1e-3)
        warm = align(synthetic, real, ridge=1e-3, initial=7.0 * cold.weights)
        assert warm.converged and warm.iterations < cold.iterations
        np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-6)
        assert warm.mmd2_uniform == cold.mmd2_uniform

    def test_a_bad_start_is_no_worse_than_equal_weights(self) -> None:
        synthetic, real = rows_of(30, seed=1), rows_of(30, seed=2)
        found = align(synthetic, real, initial=np.eye(30)[0], tolerance=0.5)
        assert found.mmd2 <= found.mmd2_uniform + 1e-12
