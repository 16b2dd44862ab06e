"""The solver where it is hard: singular curvature, strong terms, copies, warm starts; and the forms for large sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from synalign.alignment import RealSide, align, curvature, kernels, newton, real_side, simplex
from synalign.alignment.real_side import estimated_energy
from synalign.errors import ArgumentError

PROPERTY = settings(max_examples=15, derandomize=True)
MIXTURE = (0.3, 0.6, 1.2, 2.4, 4.8)


def rows_of(rows: int, *, seed: int, skew: float = 1.0, width: int = 8) -> np.ndarray:
    """Unit rows about six shared centres; `skew` decides which are frequent."""
    shares = np.arange(1, 7.0) ** -skew
    centres = np.random.default_rng(99).normal(size=(6, width))
    generator = np.random.default_rng(seed)
    points = centres[generator.choice(6, size=rows, p=shares / shares.sum())]
    points = points + 0.5 * generator.normal(size=points.shape)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


class TestHardProblems:
    @pytest.mark.parametrize("coverage", [100.0, 1_000.0])
    @pytest.mark.parametrize("ridge", [0.0, 3e-4])
    def test_strong_coverage_converges(self, coverage: float, ridge: float) -> None:
        documents = np.random.default_rng(0).integers(0, 40, size=120)
        found = align(
            rows_of(120, seed=1), rows_of(90, seed=2, skew=-1.0), documents=documents, coverage=coverage, ridge=ridge
        )
        assert found.converged and found.iterations < 2_000

    @pytest.mark.parametrize("bandwidths", [None, 3.0, MIXTURE])
    def test_hardly_any_dimension_and_no_ridge_converges(self, bandwidths: object) -> None:
        synthetic, real = rows_of(80, seed=1, width=2), rows_of(90, seed=2, skew=-1.0, width=2)
        found = align(synthetic, real, bandwidths=bandwidths, ridge=0.0)  # type: ignore[arg-type]
        assert found.converged

    def test_newton_steps_save_most_of_the_iterations(self, monkeypatch: pytest.MonkeyPatch) -> None:
        synthetic, real = rows_of(150, seed=1), rows_of(90, seed=2, skew=-1.0)
        quick = align(synthetic, real, ridge=0.0)
        monkeypatch.setattr(newton, "NEWTON_ROWS", 0)
        slow = align(synthetic, real, ridge=0.0)
        assert quick.converged and slow.converged
        assert quick.iterations < 0.5 * slow.iterations
        assert abs(quick.objective - slow.objective) <= max(quick.gap, slow.gap)

    def test_a_curvature_without_block_takes_gradient_steps_only(self) -> None:
        matrix = torch.eye(5, dtype=torch.float64)
        start = simplex.start_at(matrix.mv, torch.arange(5.0, dtype=torch.float64), 0.0, torch.full((5,), 0.2).double())
        found = simplex.minimise_on_simplex(simplex.Quadratic(matrix.mv), start, tolerance=1e-9)
        np.testing.assert_allclose(found.point.weights, [0, 0, 0, 0, 1], atol=1e-8)

    def test_an_indefinite_block_is_given_up(self) -> None:
        weights = torch.full((4,), 0.25, dtype=torch.float64)
        assert newton.newton_target(lambda free: -torch.eye(4).double(), weights, weights.clone()) is None


class TestCopies:
    def test_copies_within_a_document_share_to_the_last_bit(self) -> None:
        rows = rows_of(20, seed=1)
        copied, documents = np.concatenate([rows, rows[:5], rows[:5]]), [*range(20), *range(5), *range(5)]
        found = align(copied, rows_of(30, seed=2, skew=-1.0), documents=documents, ridge=0.0).weights
        np.testing.assert_array_equal(found[20:25], found[:5])
        np.testing.assert_array_equal(found[25:], found[:5])

    def test_copies_in_documents_of_equal_standing_share_equally(self) -> None:
        rows = rows_of(10, seed=1)
        copied, documents = np.concatenate([rows, rows[:1]]), range(11)
        found = align(copied, rows_of(30, seed=2), documents=documents, ridge=0.0).weights
        assert found[10] == pytest.approx(found[0], rel=1e-6)

    def test_a_zero_is_a_zero_whatever_its_sign(self) -> None:
        rows = np.array([[1.0, 0.0], [1.0, -0.0], [0.0, 1.0]])
        found = align(rows, rows[:1], ridge=1e-2, bandwidths=1.0).weights
        assert found[0] == found[1]

    @PROPERTY
    @given(seed=st.integers(0, 500), copies=st.integers(1, 4))
    def test_copying_every_row_halves_its_weight_and_leaves_the_mmd(self, seed: int, copies: int) -> None:
        synthetic, real = rows_of(15, seed=seed), rows_of(20, seed=seed + 1, skew=-1.0)
        plain = align(synthetic, real, ridge=1e-3, tolerance=1e-9)
        copied = align(np.tile(synthetic, (copies, 1)), real, ridge=1e-3, tolerance=1e-9)
        np.testing.assert_allclose(copied.weights, np.tile(plain.weights, copies) / copies, atol=1e-6)
        assert copied.mmd2_uniform == pytest.approx(plain.mmd2_uniform, abs=1e-13)


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

    @pytest.mark.parametrize("initial", [[1.0], [-1.0] * 30, [0.0] * 30, [np.nan] * 30])
    def test_weights_that_are_none_are_refused(self, initial: list[float]) -> None:
        with pytest.raises(ArgumentError, match="initial"):
            align(rows_of(30, seed=1), rows_of(30, seed=2), initial=initial)


class TestLargeForms:
    """The forms for large sizes, made to be taken by small ones."""

    @pytest.mark.parametrize("exact_rows", [10**6, 0])
    @pytest.mark.parametrize("single", [True, False])
    def test_reach_the_optimum_of_the_exact_matrix(
        self, monkeypatch: pytest.MonkeyPatch, single: bool, exact_rows: int
    ) -> None:
        synthetic, real = rows_of(300, seed=1), rows_of(200, seed=2, skew=-1.0)
        documents = np.random.default_rng(3).integers(0, 60, size=300)
        optimum = align(synthetic, real, documents=documents, tolerance=1e-9)
        monkeypatch.setattr(curvature, "DOUBLE_BYTES", 0)
        monkeypatch.setattr(curvature, "EXACT_ROWS", exact_rows)
        monkeypatch.setattr(curvature, "LANDMARKS", 100)
        if not single:
            monkeypatch.setattr(curvature, "SINGLE_BYTES", 0)
        found = align(synthetic, real, documents=documents, tolerance=1e-3)
        assert found.converged
        rounding = 1e-12 if exact_rows else 1e-6
        assert -rounding <= found.objective - optimum.objective <= found.gap + rounding
        assert found.certificate == ("float64" if exact_rows else "float32")
        assert optimum.certificate == "float64"

    def test_the_float32_matrix_certifies_below_its_own_rounding(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(curvature, "DOUBLE_BYTES", 0)
        found = align(rows_of(300, seed=1), rows_of(200, seed=2, skew=-1.0), bandwidths=MIXTURE, tolerance=1e-6)
        assert found.converged and found.gap <= 1e-6 * found.objective

    def test_a_poor_model_never_raises_the_objective_and_tells_the_true_gap(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        synthetic, real = rows_of(300, seed=1), rows_of(200, seed=2, skew=-1.0)
        optimum = align(synthetic, real, bandwidths=MIXTURE, ridge=0.0)
        for name, value in (("DOUBLE_BYTES", 0), ("SINGLE_BYTES", 0), ("LANDMARKS", 3)):
            monkeypatch.setattr(curvature, name, value)
        found = align(synthetic, real, bandwidths=MIXTURE, ridge=0.0)
        assert found.mmd2 < found.mmd2_uniform
        assert 0.0 <= found.objective - optimum.objective + optimum.gap <= found.gap + optimum.gap


class TestRealSide:
    def test_gives_the_weights_of_the_rows(self) -> None:
        synthetic, real = rows_of(60, seed=1), rows_of(90, seed=2, skew=-1.0)
        copied, counts = np.concatenate([synthetic, synthetic[:3]]), np.arange(90)
        side = real_side(copied, real, MIXTURE, real_counts=counts)
        plain, summed = align(copied, real, bandwidths=MIXTURE, real_counts=counts), align(copied, side)
        np.testing.assert_allclose(summed.weights, plain.weights, atol=1e-9)
        assert summed.mmd2 == pytest.approx(plain.mmd2, abs=1e-13)
        assert summed.bandwidths == MIXTURE

    def test_estimated_energy_is_right_within_its_error(self) -> None:
        real = rows_of(3_000, seed=4)
        side = real_side(real[::6], real, 1.0)
        energy, error = estimated_energy(real[::6], side.mean, (1.0,))
        plain_error = side.mean.std() / np.sqrt(500)
        assert abs(energy - side.energy) < 4 * error
        assert error < 0.2 * plain_error

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"real": RealSide(np.ones(5), 1.0, 0.0, (1.0,), 9)}, r"real.mean.shape == \(5,\), must be \(6,\)"),
            ({"real": RealSide(np.full(6, np.nan), 1.0, 0.0, (1.0,), 9)}, r"real.mean\[0\] == nan"),
            ({"real": RealSide(np.ones(6), np.nan, 0.0, (1.0,), 9)}, "real.energy == nan"),
            ({"bandwidths": 2.0}, "bandwidths == 2.0, must be those of real"),
            ({"real_counts": [1.0]}, "real_counts == 'given', must be None"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, changes: dict[str, object], message: str) -> None:
        arguments: dict[str, object] = {"real": RealSide(np.ones(6), 1.0, 0.0, (1.0,), 9), **changes}
        with pytest.raises(ArgumentError, match=message):
            align(rows_of(6, seed=1), **arguments)  # type: ignore[arg-type]


def test_widths_in_powers_of_two_are_squared_not_exponentiated_again() -> None:
    left, right = (torch.from_numpy(rows_of(50, seed=seed)) for seed in (1, 2))
    squared = np.square(left.numpy()[:, None] - right.numpy()[None]).sum(axis=2)
    for widths in (MIXTURE, (4.8, 0.3, 1.2), (0.01, 1.28), (1.0, 0.7, 0.5)):
        plain = np.mean([np.exp(-squared / (2 * width**2)) for width in widths], axis=0)
        found = kernels.gaussian_mixture(left, right, widths).numpy()
        np.testing.assert_allclose(found, plain, rtol=0, atol=1e-13)
    same = kernels.gaussian_mixture(left.float(), right.float(), MIXTURE)
    assert same.dtype == torch.float32
    plain = np.mean([np.exp(-squared / (2 * width**2)) for width in MIXTURE], axis=0)
    np.testing.assert_allclose(same.numpy(), plain, rtol=0, atol=3.4e-6)


def test_product_without_the_matrix_is_that_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "PANEL_ROWS", 7)
    rows, vector = torch.from_numpy(rows_of(30, seed=1)), torch.from_numpy(np.random.default_rng(0).normal(size=30))
    expected = kernels.kernel_matrix(rows, MIXTURE) @ vector
    np.testing.assert_allclose(kernels.kernel_product(rows, vector, MIXTURE), expected, atol=1e-13)
    single = kernels.kernel_product(rows.float(), vector, MIXTURE)
    assert single.dtype == torch.float64
    np.testing.assert_allclose(single, expected, atol=2e-5)
