"""LoRA on the real MiniLM: adapters alone are trained, and what is saved is a plain model with the same vectors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from synalign.config import Configuration, Lora, Training
from synalign.embedding import model_files
from synalign.errors import SetupError
from synalign.training import corpus as corpora
from synalign.training import fit as fitting
from synalign.training import lora
from synalign.training.corpus import Corpus
from synalign.training.fit import Fitted, fit
from synalign.training.kept import Kept
from synalign.training.loss import lesson
from synalign.training.retriever import retriever
from tests.training.world import ASKED, world

Make = Callable[..., Configuration]
NAME = "all-MiniLM-L6-v2"
TEXTS = ["find bat", "this is about tab and nothing", "\u732b", ""]


@pytest.fixture
def trained(configuration: Make) -> Callable[..., tuple[Any, Fitted]]:
    def train(model: str = NAME, *, splits: Any = None, **settings: Any) -> tuple[Any, Fitted]:
        given = {"steps": 3, "batch_size": 8, "evaluations": 3, "lora": {"rank": 4}, **settings}
        chosen = Training.model_validate(given)
        run = world(configuration(), negatives=2, scored=chosen.loss == "distillation", splits=splits)
        begun = retriever(model, 32, "cpu")
        corpus = corpora.read(run) if splits is None else Corpus([], corpora.read(run).judged)
        return begun, fit(begun, lesson(run, chosen), corpus, chosen, 0)

    return train


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{}, {"mini_batch_size": 3}, {"loss": "distillation"}, {"lora": {"rank": 2, "dropout": 0.5}}], ids=str
)
def test_adapters_alone_are_trained_and_a_plain_model_of_the_same_vectors_is_saved(
    trained: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: dict[str, Any]
) -> None:
    seen: dict[str, Any] = {}

    def merge(model: Any) -> None:
        seen["state"] = {name: value.clone() for name, value in model.state_dict().items()}
        seen["vectors"] = model.encode(TEXTS)
        lora_merge(model)

    lora_merge = lora.merge
    monkeypatch.setattr(fitting.lora, "merge", merge)
    model, done = trained(splits={"train": ASKED["train"]}, **settings)
    assert done.step == 3 and done.learning_rate == lora.LEARNING_RATE

    before = retriever(NAME, 32, "cpu")
    weights = before.state_dict()
    of_adapters = [name for name in seen["state"] if ".lora_" in name]
    others = {name.replace(".base_layer", ""): seen["state"][name] for name in seen["state"].keys() - set(of_adapters)}
    assert others.keys() == weights.keys()
    assert all(torch.equal(others[name], weights[name]) for name in weights)
    assert all(seen["state"][name].any() for name in of_adapters if ".lora_B." in name and "pooler" not in name)

    # As it is logged: no trace of peft, the layout of the model that it began with.
    assert model.state_dict().keys() == weights.keys()
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert np.allclose(model.encode(TEXTS), seen["vectors"], atol=1e-5)
    assert not np.allclose(before.encode(TEXTS), seen["vectors"], atol=1e-3)
    model.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    assert not list(tmp_path.rglob("adapter*"))
    model_files.check(tmp_path / "saved")
    assert np.array_equal(SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(TEXTS), model.encode(TEXTS))


@pytest.mark.slow
def test_a_training_that_only_harms_gives_the_model_back_bit_by_bit(trained: Callable[..., Any]) -> None:
    model, done = trained(learning_rate=0.5, steps=1, evaluations=1)
    weights = retriever(NAME, 32, "cpu").state_dict()
    assert done.step == 0 and done.validation[1] < done.validation[0]
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_the_copy_of_a_checkpoint_holds_adapters_alone(make_model: Callable[[str], str]) -> None:
    model = retriever(make_model("mean"), 32, "cpu")
    lora.add(model, Lora(rank=2))
    kept = Kept(model, None)
    assert kept._state and all(".lora_" in name for name in kept._state)
    first = {name: value.clone() for name, value in kept._state.items()}
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(1.0)
    kept.restore()
    assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items() if name in first)


def test_a_model_without_adapters_is_merged_to_itself(make_model: Callable[[str], str]) -> None:
    model = retriever(make_model("mean"), 32, "cpu")
    before = model.encode(TEXTS)
    lora.merge(model)
    assert np.array_equal(before, model.encode(TEXTS))


def test_static_token_vectors_have_no_layers_to_adapt(
    trained: Callable[..., Any], make_model: Callable[[str], str]
) -> None:
    with pytest.raises(SetupError, match=r"training\.lora cannot go with this model: .* StaticEmbedding") as caught:
        trained(make_model("static"))
    assert "training.lora to null" in caught.value.remedy
