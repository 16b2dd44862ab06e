"""The kind `full` before it is trained, against sentence-transformers' own `encode_query` and `encode_document`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from synalign.config import Encoder
from synalign.retriever.collection import Collection
from synalign.retriever.full import PreparedFull
from tests.embedding.prompted import with_prompts


@pytest.mark.parametrize("prompt", [None, "", "find this: "])
def test_queries_and_documents_have_the_encoders_prompts_before_them(
    make_collection: Callable[[], Collection], bert_model: str, tmp_path: Path, prompt: str | None
) -> None:
    from sentence_transformers import SentenceTransformer

    model, collection = with_prompts(bert_model, tmp_path / "model"), make_collection()
    settings = Encoder(model=model, max_tokens=30, query_prompt=prompt, document_prompt=prompt)
    learner = PreparedFull(collection, settings).learner().eval()
    library = SentenceTransformer(model, device="cpu")
    places = torch.tensor([3, 0, 7])
    with torch.no_grad():
        found = learner.queries(places).numpy(), learner.documents(places).numpy()
    texts = [[side[place] for place in places] for side in (collection.queries, collection.documents)]
    options = {} if prompt is None else {"prompt": prompt}
    np.testing.assert_allclose(found[0], library.encode_query(texts[0], **options), atol=1e-5)
    np.testing.assert_allclose(found[1], library.encode_document(texts[1], **options), atol=1e-5)
