"""The divergence of a student from its teacher: 0 for a copy, over known documents alone, with finite gradients."""

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from synalign.retriever.divergence import divergences

NONE = torch.zeros(3, 5, dtype=torch.bool)


def made(seed: int) -> torch.Tensor:
    return torch.randn(3, 5, generator=torch.Generator().manual_seed(seed))


def test_a_teacher_that_is_copied_has_no_more_to_teach() -> None:
    assert divergences(made(0), made(0) + 7.0, NONE).sum().item() == pytest.approx(0.0, abs=1e-6)
    assert (divergences(made(0), -made(0), NONE) > 0.1).all()


def test_it_is_torchs_own_over_the_documents_that_the_teacher_knows() -> None:
    student, teacher, unknown = made(0), made(1), NONE.clone()
    unknown[0, 1] = unknown[1, :3] = True
    expected = [
        kl_divergence(Categorical(logits=teacher[row][~left]), Categorical(logits=student[row][~left])).item()
        for row, left in enumerate(unknown)
    ]
    assert divergences(student, teacher, unknown).tolist() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("left", [0, 1])
def test_a_row_with_no_document_or_one_has_no_order_to_learn(left: int) -> None:
    unknown = NONE.clone()
    unknown[:, left:] = True
    student = made(0).requires_grad_()
    found = divergences(student, -made(0), unknown)
    found.sum().backward()
    assert found.tolist() == [0.0] * 3
    assert student.grad is not None and student.grad.isfinite().all() and not student.grad.any()
