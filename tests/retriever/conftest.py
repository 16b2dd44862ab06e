"""A small made language in which a retriever can learn: two names for every thing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.retriever.collection import Collection, Pairs
from synalign.retriever.recipe import Kind, Recipe

THINGS = 24


@pytest.fixture(scope="session")
def static_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A saved bag-of-words model with random vectors."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from tokenizers import Tokenizer

    torch.manual_seed(3)
    tokenizer = Tokenizer.from_file(str(encoder.model_folder(encoder.EMBEDDED_MODEL) / "tokenizer.json"))
    folder = tmp_path_factory.mktemp("static") / "saved"
    SentenceTransformer(modules=[modules.StaticEmbedding(tokenizer, embedding_dim=16)], device="cpu").save_pretrained(
        str(folder)
    )
    return str(folder)


@pytest.fixture(scope="session")
def bert_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A saved two-layer BERT with random weights and dropout."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(7)
    folder: Path = tmp_path_factory.mktemp("bert")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(**sizes, max_position_embeddings=40)).save_pretrained(folder / "bert")
    AutoTokenizer.from_pretrained(encoder.model_folder(encoder.EMBEDDED_MODEL)).save_pretrained(folder / "bert")
    parts = [modules.Transformer(str(folder / "bert")), modules.Pooling(32, "mean")]
    SentenceTransformer(modules=parts, device="cpu").save_pretrained(str(folder / "saved"))
    return str(folder / "saved")


@pytest.fixture
def recipe(static_model: str, bert_model: str) -> Callable[..., Recipe]:
    """A quick recipe of a kind."""
    models = {"static": static_model, "full": bert_model, "adapter": "all-MiniLM-L6-v2"}
    rates = {"static": 3e-2, "full": 3e-3, "adapter": 3e-2}

    def make(kind: Kind, **settings: object) -> Recipe:
        made = Recipe(kind, steps=30, batch_size=12, learning_rate=rates[kind], encoder=Encoder(model=models[kind]))
        return made._replace(**settings)

    return make


@pytest.fixture
def make_collection() -> Callable[[], Collection]:
    """Thing i is asked for with one word and described with another; vectors are such that one rotation solves it."""

    def make() -> Collection:
        words = [f"{first}{second}" for first in "bcdfgh" for second in ("at", "ell", "ing", "oom")]
        random = np.random.default_rng(5)
        documents = random.normal(size=(THINGS, 8))
        documents /= np.linalg.norm(documents, axis=1, keepdims=True)
        rotation, _ = np.linalg.qr(random.normal(size=(8, 8)))
        return Collection(
            queries=[f"find {word}" for word in words],
            documents=[f"this is about {word[::-1]} and nothing" for word in words],
            query_vectors=(documents @ rotation).astype(np.float32),
            document_vectors=documents.astype(np.float32),
        )

    return make


@pytest.fixture
def every_pair() -> Pairs:
    """Query i asks for document i."""
    return Pairs(np.arange(THINGS), np.arange(THINGS), np.ones(THINGS))
