"""A cross-encoder of this machine: two layers with random weights, the tokenizer of the encoder that ships here."""

from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.config import Encoder
from synalign.embedding import encoder


@pytest.fixture(scope="session")
def make_cross_encoder(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Saves a small cross-encoder with so many outputs."""

    def make(labels: int = 1) -> Path:
        import torch
        from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

        folder = tmp_path_factory.mktemp("cross-encoder") / f"labels-{labels}"
        tokenizer = AutoTokenizer.from_pretrained(encoder.model_folder(Encoder().model))
        torch.manual_seed(0)
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
                intermediate_size=64, num_labels=labels, initializer_range=0.5,
            )
        )  # fmt: skip
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return make
