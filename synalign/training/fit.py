"""One training by sentence-transformers' own trainer; the checkpoint that validation queries like best is kept."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from synalign.errors import SetupError
from synalign.progress import progress
from synalign.retriever.recipe import LEARNING_RATES
from synalign.training import lora
from synalign.training.kept import Kept
from synalign.training.loss import Lesson, is_static, loss_of
from synalign.training.retriever import scores

if TYPE_CHECKING:
    from synalign.config import Training
    from synalign.progress import Advance
    from synalign.training.corpus import Corpus


class Fitted(NamedTuple):
    """A training that has ended; the model has the parameters that were kept.

    Attributes:
        steps: How many batches it took.
        step: The checkpoint that was kept; 0 is the model before training.
        validation: Mean nDCG@10 of the validation queries by checkpoint; empty where there are none.
        learning_rate: The highest in force.
        precision: Of the multiplications.
    """

    steps: int
    step: int
    validation: dict[int, float]
    learning_rate: float
    precision: str


def check_packages(settings: Training) -> None:
    """Refuse an installation without what the trainer needs.

    Raises:
        SetupError: `accelerate` or `datasets` is missing, or `peft` where `training.lora` needs it.
    """
    for name in ("accelerate", "datasets", *(["peft"] if settings.lora else [])):
        try:
            import_module(name)
        except ImportError as error:
            raise SetupError(
                f"sentence-transformers' trainer cannot run here: the package `{name}` is missing.",
                cause="training.lora is set, and an extra `train` without LoRA is installed"
                if name == "peft"
                else "the extra `jobs` alone is installed, which has no trainer",
                remedy="pip install 'synalign[train]'" + (", or set training.lora to null" if name == "peft" else ""),
            ) from error


def fit(model: Any, lesson: Lesson, corpus: Corpus, settings: Training, seed: int) -> Fitted:
    """Train a model in place.

    The same arguments give the same model on one kind of machine with one number of threads; torch's random state is
    left as it was.

    Args:
        model: A `SentenceTransformer` on its device.
        lesson: What it learns from.
        corpus: Its validation queries choose the checkpoint, before training included.
        settings: How.
        seed: Of batches and dropout.

    Raises:
        ArgumentError: The loss or the vectors left the finite numbers.
        SetupError: The trainer's packages are missing, or `training.lora` is set for a model that is no transformer.
    """
    check_packages(settings)
    judged = corpus.judged["validation"]
    steps = steps_of(settings, len(lesson.dataset))
    rate = settings.learning_rate or _rate(model, settings)
    half_precision = is_half(settings, model.device.type)
    with _random(seed), tempfile.TemporaryDirectory(prefix="synalign-train-") as folder:
        if settings.lora is not None:
            lora.add(model, settings.lora)
        # Before the trainer is made: it puts the model into its own device and mode.
        kept = Kept(model, (lambda: float(scores(model, corpus.documents, judged).mean())) if judged.queries else None)
        arguments = _arguments(
            folder, model, lesson, settings, steps=steps, rate=rate, half_precision=half_precision, seed=seed
        )
        trainer = _trainer(model, lesson, settings, arguments)
        with progress("train", steps, "steps") as advance:
            trainer.add_callback(_watching(kept, advance, checkpoints(steps, settings.evaluations)))
            trainer.train()
    kept.restore()
    model.eval()
    if settings.lora is not None:
        lora.merge(model)
    return Fitted(steps, kept.step, kept.scores, rate, "bfloat16" if half_precision else "float32")


def steps_of(settings: Training, rows: int) -> int:
    """Return how many batches a training has.

    >>> from synalign.config import Training
    >>> steps_of(Training(batch_size=64), 100), steps_of(Training(epochs=2.0), 640), steps_of(Training(steps=7), 640)
    (2, 20, 7)
    """
    return settings.steps or max(1, math.ceil(settings.epochs * rows / settings.batch_size))


def _rate(model: Any, settings: Training) -> float:
    """Return the highest learning rate where the settings name none."""
    if settings.lora is not None:
        return lora.LEARNING_RATE
    return LEARNING_RATES["static" if is_static(model) else "full"]


def checkpoints(steps: int, count: int) -> set[int]:
    """Return the steps after which validation queries are asked: evenly spaced, the last one among them.

    >>> sorted(checkpoints(10, 4)), sorted(checkpoints(2, 10))
    ([2, 5, 8, 10], [1, 2])
    """
    return {max(1, round(steps * place / count)) for place in range(1, count + 1)}


def is_half(settings: Training, device: str) -> bool:
    """Return whether multiplications are done in bfloat16.

    Raises:
        SetupError: They are to be, and the GPU cannot.
    """
    import torch

    if settings.precision == "float32" or (settings.precision == "auto" and device != "cuda"):
        return False
    able = device != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
    if settings.precision == "bfloat16" and not able:
        raise SetupError(
            "training.precision == 'bfloat16', but this GPU has no such instructions.",
            remedy="set training.precision to auto or float32",
        )
    return able


def _arguments(
    folder: str,
    model: Any,
    lesson: Lesson,
    settings: Training,
    *,
    steps: int,
    rate: float,
    half_precision: bool,
    seed: int,
) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.training_args import BatchSamplers

    return SentenceTransformerTrainingArguments(
        folder,
        max_steps=steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=rate,
        warmup_steps=round(settings.warmup * steps),
        bf16=half_precision,
        use_cpu=model.device.type == "cpu",
        seed=seed,
        data_seed=seed,
        # A document that is there twice would be a negative of its own query.
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        prompts=_prompts(model, lesson.dataset.column_names),
        # Checkpoints are kept in memory, and nothing is told but by SynAlign.
        save_strategy="no",
        eval_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def _prompts(model: Any, columns: list[str]) -> dict[str, str] | None:
    """Return what the model wants before queries and documents, as it is judged with it too."""
    query, document = (model.prompts.get(name) or "" for name in ("query", "document"))
    found = {name: query if name == "anchor" else document for name in columns if name != "label"}
    return found if any(found.values()) else None


def _trainer(model: Any, lesson: Lesson, settings: Training, arguments: Any) -> Any:
    from sentence_transformers import SentenceTransformerTrainer
    from transformers import PrinterCallback

    class Trainer(SentenceTransformerTrainer):
        def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
            """Make no model card: it would show queries of users, where `synalign forget` does not reach."""

    trainer = Trainer(model, arguments, train_dataset=lesson.dataset, loss=loss_of(lesson, model, settings))
    trainer.remove_callback(PrinterCallback)
    return trainer


def _watching(kept: Kept, advance: Advance, at: set[int]) -> Any:
    """Return what the trainer calls after each step: it counts, and has validation queries asked."""
    from transformers import TrainerCallback

    class Watching(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            advance.reach(state.global_step)
            if state.global_step in at:
                kept.look(state.global_step)
                if kept.scores:
                    advance.note = f"nDCG@10 {kept.scores[state.global_step]:.4f}, best {kept.scores[kept.step]:.4f}"

    return Watching()


@contextmanager
def _random(seed: int) -> Iterator[None]:
    """Torch, Python and numpy with a seed, which torch's state is freed of afterwards."""
    import torch
    from transformers import set_seed

    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        set_seed(seed)
        yield
