"""The best checkpoint is kept, the earliest of equals, the model before training among them."""

import pytest
import torch
from torch import nn

from synalign.training.kept import Kept


def trained(scores: list[float] | None) -> tuple[Kept, nn.Linear]:
    """Look at a model whose only parameter is the step."""
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    told = iter(scores or [])
    kept = Kept(model, None if scores is None else lambda: next(told))
    for step in (1, 2, 3):
        model.weight.data.fill_(float(step))
        kept.look(step)
    kept.restore()
    return kept, model


@pytest.mark.parametrize(
    ("scores", "best"),
    [([0.1, 0.2, 0.3, 0.25], 2), ([0.3, 0.2, 0.3, 0.1], 0), ([0.1, 0.4, 0.4, 0.4], 1), (None, 3)],
)
def test_the_best_is_given_back(scores: list[float] | None, best: int) -> None:
    kept, model = trained(scores)
    assert kept.step == best
    assert torch.equal(model.weight.data, torch.full((1, 1), float(best)))
    assert kept.scores == dict(enumerate(scores or []))
