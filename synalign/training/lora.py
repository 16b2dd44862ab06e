"""LoRA: small matrices beside the linear layers of a transformer are trained in place of its weights.

Hu et al., *LoRA: Low-Rank Adaptation of Large Language Models* (2022, arXiv:2106.09685), as the package `peft` has it.
At the end they are merged into the weights: the model is then one of sentence-transformers like any other, which needs
neither `peft` nor the folder of the model that it began with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synalign.errors import SetupError

if TYPE_CHECKING:
    from synalign.config import Lora

LEARNING_RATE = 5e-4
"""Ten times that of all weights, as Schulman et al., *LoRA Without Regret* (2025), find best at every rank."""

_NAME = "synalign"
"""Of the adapter, in `peft`."""


def add(model: Any, settings: Lora) -> None:
    """Put matrices beside every linear layer of a model's transformer; nothing else is trained from then on.

    Their output is 0 at first: the model's vectors stay. Torch's random state decides what they begin with.

    Args:
        model: A `SentenceTransformer`; changed in place.
        settings: Rank, alpha and dropout.

    Raises:
        SetupError: The model is no transformer, or the package `peft` is missing.
    """
    if not (callable(getattr(model, "has_peft_compatible_model", None)) and model.has_peft_compatible_model()):
        raise SetupError(
            f"training.lora cannot go with this model: its first part, {type(model[0]).__name__}, is no transformer.",
            cause="a model of static token vectors, which has no linear layers",
            remedy="set training.lora to null, or name another model in training.model",
        )
    from peft import LoraConfig, TaskType

    adapter = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION,
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        # By kind of layer, not by name: names differ between architectures.
        target_modules="all-linear",
    )
    # Parts behind the transformer, such as a projection, would be trained whole.
    model.requires_grad_(False)
    model.add_adapter(adapter, _NAME)


def merge(model: Any) -> None:
    """Add the matrices to the weights that they stand beside, and take them off; a model without any stays as it is.

    Vectors stay the same but for rounding. What is saved afterwards are weights alone, in the model's own layout.

    Args:
        model: A `SentenceTransformer`; changed in place.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [(name, part) for name, part in model.named_modules() if isinstance(part, BaseTunerLayer)]
    for name, layer in layers:
        layer.merge()
        model.set_submodule(name, layer.get_base_layer())
    if layers:
        # Or only an adapter would be saved.
        model.delete_adapter(_NAME)
    model.requires_grad_(True)
