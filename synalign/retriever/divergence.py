"""What a student's distribution over a row's documents lacks of its teacher's: the loss of listwise distillation."""

from __future__ import annotations

from torch import Tensor, finfo, nn


def divergences(student: Tensor, teacher: Tensor, unknown: Tensor) -> Tensor:
    """Return KL(softmax(teacher) || softmax(student)) of each row, over the documents that the teacher knows.

    Args:
        student: (b, c) logits, with gradients.
        teacher: (b, c) logits; anything finite where they are unknown.
        unknown: (b, c) bool, which documents are left out of a row's list.

    Returns:
        (b,) >= 0. A row whose list has fewer than two documents has 0.

    Examples:
        >>> import torch
        >>> student, teacher = torch.zeros(2, 3), torch.tensor([[0.0, 1.0, 9.0], [0.0, 1.0, 9.0]])
        >>> unknown = torch.tensor([[False, False, True], [False, True, True]])
        >>> [round(row, 4) for row in divergences(student, teacher, unknown).tolist()]
        [0.1109, 0.0]
    """
    least = finfo(student.dtype).min
    log_student = student.masked_fill(unknown, least).log_softmax(1)
    log_teacher = teacher.to(student.dtype).masked_fill(unknown, least).log_softmax(1)
    divergence = nn.functional.kl_div(log_student, log_teacher, log_target=True, reduction="none")
    rows: Tensor = divergence.masked_fill(unknown, 0.0).sum(1) * ((~unknown).sum(1) > 1)
    return rows
