"""Small sentence-transformers models with random weights, one for each way in which the lean loop can fit or not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from synalign.embedding import encoder


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """Saves a model: `mean` and `cls` are BERTs that the lean loop fits, `max`, `dense` and `static` are others."""
    made: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in made:
            made[kind] = str(_save(kind, tmp_path_factory.mktemp(kind)))
        return made[kind]

    return make


def _save(kind: str, folder: Path) -> Path:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer, BertConfig, BertModel

    torch.manual_seed(7)
    embedded = encoder.model_folder(encoder.EMBEDDED_MODEL)
    if kind == "static":
        tokenizer = Tokenizer.from_file(str(embedded / "tokenizer.json"))
        parts = [modules.StaticEmbedding(tokenizer, embedding_dim=16)]
    else:
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
        # A wide initialisation, so that texts differ.
        config = BertConfig(**sizes, max_position_embeddings=40, initializer_range=0.5)
        BertModel(config).save_pretrained(folder / "bert")
        AutoTokenizer.from_pretrained(embedded).save_pretrained(folder / "bert")
        parts = [modules.Transformer(str(folder / "bert")), modules.Pooling(32, "mean" if kind == "dense" else kind)]
        if kind == "dense":
            parts.append(modules.Dense(32, 8))
    SentenceTransformer(modules=parts, device="cpu").save_pretrained(str(folder / "saved"))
    return folder / "saved"
