"""The best of a model's checkpoints by validation queries, kept in memory; the model before training is the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


class Kept:
    """The checkpoint with the highest score so far, the earliest of equals.

    Without a score, as where there is no validation query, the latest is kept.

    Args:
        model: What is trained; its parameters are copied to the CPU, but for those that are not trained.
        score: Gives the model's mean score on validation queries; None: there are none.

    Attributes:
        step: Of the checkpoint; 0 is the model before training.
        scores: By step, as far as there are scores.
    """

    def __init__(self, model: Any, score: Callable[[], float] | None) -> None:
        self.step = 0
        self.scores: dict[int, float] = {}
        self._model, self._score = model, score
        self._fixed = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
        self._state = self._copy()
        if score is not None:
            self.scores[0] = score()

    def look(self, step: int) -> None:
        """Judge the model as it is after a step, and keep it if it is better."""
        if step <= max(self.scores, default=0):
            return
        if self._score is not None:
            self.scores[step] = self._score()
            if self.scores[step] <= self.scores[self.step]:
                return
        self.step, self._state = step, self._copy()

    def restore(self) -> None:
        """Give the model the parameters that were kept."""
        self._model.load_state_dict(self._state, strict=not self._fixed)

    def _copy(self) -> dict[str, Tensor]:
        state = self._model.state_dict()
        return {name: state[name].detach().to("cpu", copy=True) for name in state.keys() - self._fixed}
