"""The retriever of averaged token vectors."""

import numpy as np
import torch

from synalign.config import Encoder
from synalign.retriever.collection import Collection
from synalign.retriever.static import PreparedStatic


def test_static_vectors_are_frequency_weighted_means(static_model: str) -> None:
    """Against the definition, token by token."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(static_model, device="cpu")
    table = next(model.parameters()).detach().numpy()
    documents = ["the cat and the dog", "the bird", ""]
    collection = Collection(["a cat"], documents, np.zeros((1, 0), np.float32), np.zeros((3, 0), np.float32))
    learner = PreparedStatic(collection, Encoder(model=static_model)).learner()
    lists = [model.tokenizer.encode(text, add_special_tokens=False).ids for text in documents]
    everything = [token for tokens in lists for token in tokens]
    share = {token: everything.count(token) / len(everything) for token in everything}
    found = learner.vectors("documents", torch.arange(3))
    for row, tokens in enumerate(lists[:2]):
        expected = sum(1e-3 / (1e-3 + share[token]) * table[token] for token in tokens)
        np.testing.assert_allclose(found[row], expected / np.linalg.norm(expected), atol=1e-6)
    assert not found[2].any(), "a text of no tokens"
