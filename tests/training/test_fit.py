"""Training by the library's trainer on a small made language: it learns, can be repeated, and never gets worse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synalign.config import Configuration, Lora, Training
from synalign.errors import ArgumentError, ConfigurationError, SetupError
from synalign.training import corpus as corpora
from synalign.training import fit as fitting
from synalign.training.corpus import Corpus
from synalign.training.fit import Fitted, fit, is_half
from synalign.training.loss import lesson
from synalign.training.retriever import retriever, scores
from tests.training.world import ASKED, world

Make = Callable[..., Configuration]
STEPS: dict[str, Any] = {"steps": 30, "batch_size": 12, "evaluations": 3}


@pytest.fixture
def trained(configuration: Make) -> Callable[..., tuple[Any, Fitted, Corpus]]:
    def train(model: str, *, seed: int = 0, splits: Any = None, **settings: Any) -> tuple[Any, Fitted, Corpus]:
        chosen = Training.model_validate({**STEPS, **settings})
        run = world(configuration(), negatives=2, scored=chosen.loss == "distillation", splits=splits)
        begun = retriever(model, 32, "cpu")
        corpus = corpora.read(run)
        return begun, fit(begun, lesson(run, chosen), corpus, chosen, seed), corpus

    return train


@pytest.mark.parametrize("settings", [{}, {"hard_negatives": 2}, {"loss": "distillation"}], ids=str)
def test_every_loss_teaches_names_that_were_never_seen_together(
    trained: Callable[..., Any], make_model: Callable[[str], str], settings: dict[str, Any]
) -> None:
    begun = retriever(make_model("static"), 32, "cpu")
    model, done, corpus = trained(make_model("static"), learning_rate=0.1, **settings)
    before, after = (scores(one, corpus.documents, corpus.judged["test"]).mean() for one in (begun, model))
    assert done.step in (10, 20, 30) and set(done.validation) == {0, 10, 20, 30}
    assert after > before + 0.3
    assert not model.training


@pytest.mark.parametrize("settings", [{}, {"mini_batch_size": 5}, {"precision": "bfloat16"}], ids=str)
def test_a_transformer_is_trained_whole_or_in_parts(
    trained: Callable[..., Any], make_model: Callable[[str], str], settings: dict[str, Any]
) -> None:
    splits = {"train": ASKED["train"]}
    model, done, _ = trained(make_model("mean"), splits=splits, steps=3, learning_rate=1e-3, **settings)
    begun = retriever(make_model("mean"), 32, "cpu")
    assert done.step == 3
    assert done.precision == settings.get("precision", "float32")
    assert not np.allclose(begun.encode(["find bat"]), model.encode(["find bat"]))


def test_what_was_kept_has_the_score_that_validation_queries_gave_it(
    trained: Callable[..., Any], make_model: Callable[[str], str]
) -> None:
    model, done, corpus = trained(make_model("static"), learning_rate=0.1)
    assert done.validation[done.step] == max(done.validation.values())
    assert scores(model, corpus.documents, corpus.judged["validation"]).mean() == done.validation[done.step]


def test_the_same_seed_gives_the_same_model_and_another_one_another(
    trained: Callable[..., Any], make_model: Callable[[str], str]
) -> None:
    # Without validation queries the end is kept.
    splits = {"train": ASKED["train"]}
    first, second, other = (
        trained(make_model("mean"), seed=seed, splits=splits, steps=3, learning_rate=1e-3)[0].encode(["find bat"])
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_a_training_that_only_harms_gives_the_model_back_as_it_was(
    trained: Callable[..., Any], configuration: Make, make_model: Callable[[str], str]
) -> None:
    learnt, _, _ = trained(make_model("static"), learning_rate=0.1)
    before = {name: value.clone() for name, value in learnt.state_dict().items()}
    chosen = Training.model_validate({**STEPS, "learning_rate": 0.9, "steps": 2, "evaluations": 2})
    wrong = lesson(world(configuration()), chosen)
    documents = list(wrong.dataset["positive"])
    # Every query is taught its neighbour's document.
    wrong = wrong._replace(
        dataset=wrong.dataset.remove_columns("positive").add_column("positive", documents[1:] + documents[:1])
    )
    wrong = wrong._replace(dataset=wrong.dataset.select_columns(["anchor", "positive", "label"]))
    done = fit(learnt, wrong, corpora.read(world(configuration())), chosen, 0)
    assert done.step == 0
    assert all(np.array_equal(value, before[name]) for name, value in learnt.state_dict().items())


def test_without_validation_queries_the_end_is_kept(
    trained: Callable[..., Any], make_model: Callable[[str], str]
) -> None:
    splits = {"train": ASKED["train"], "test": ASKED["test"]}
    _, done, _ = trained(make_model("static"), splits=splits)
    assert (done.step, done.validation) == (30, {})


def test_a_rate_that_leaves_the_finite_numbers_is_told(
    trained: Callable[..., Any], make_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fitting.LEARNING_RATES, "static", 1e38)
    with pytest.raises(ArgumentError):
        trained(make_model("static"))


def test_bfloat16_on_a_cpu_is_what_was_asked_for_and_not_what_is_chosen() -> None:
    assert is_half(Training(precision="bfloat16"), "cpu")
    assert not is_half(Training(), "cpu")
    assert not is_half(Training(precision="float32"), "cuda")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "accelerate", None)
    with pytest.raises(SetupError, match="accelerate") as caught:
        fitting.check_packages(Training())
    assert "synalign[train]" in caught.value.remedy


def test_the_package_of_lora_is_needed_where_lora_is_set_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "peft", None)
    fitting.check_packages(Training())
    with pytest.raises(SetupError, match="peft") as caught:
        fitting.check_packages(Training(lora=Lora()))
    assert "synalign[train]" in caught.value.remedy and "training.lora" in caught.value.remedy


def test_distillation_in_parts_is_refused(tmp_path: Path) -> None:
    from synalign import retriever_files

    file = tmp_path / "shop.yaml"
    file.write_text(
        "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: x}\n"
        "training: {loss: distillation, mini_batch_size: 4}\n"
    )
    with pytest.raises(ConfigurationError, match="mini_batch_size must be null"):
        retriever_files.load(file)
