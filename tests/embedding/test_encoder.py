import shutil
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.errors import SetupError

SETTINGS = Encoder()


def test_vectors_are_those_of_sentence_transformers_scaled_to_length_one() -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["how to sort a list", "", "x" * 5000, "日本語 の 検索", "how to sort a list"]
    model = SentenceTransformer(str(encoder.model_folder(encoder.EMBEDDED_MODEL)), device="cpu")
    expected = model.encode(texts, normalize_embeddings=True)
    found = encoder.encode(texts, SETTINGS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-6)


def test_no_text_gives_no_vector() -> None:
    assert encoder.encode([], SETTINGS).size == 0


def test_the_embedded_model_is_pinned_by_its_digest() -> None:
    assert encoder.revision(encoder.EMBEDDED_MODEL) == encoder.EMBEDDED_WEIGHTS


def test_altered_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    monkeypatch.setattr(encoder, "model_folder", lambda model: tmp_path)
    encoder.revision.cache_clear()
    with pytest.raises(SetupError, match=r"(?s)SHA-256.*must be.*force-reinstall"):
        encoder.revision(encoder.EMBEDDED_MODEL)
    encoder.revision.cache_clear()


def test_a_model_of_the_users_own_is_taken_from_its_folder(tmp_path: Path) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(encoder.model_folder(encoder.EMBEDDED_MODEL), copy)
    assert encoder.revision(str(copy)) == encoder.EMBEDDED_WEIGHTS
    assert encoder.model_folder(str(copy)) == copy


@pytest.mark.parametrize("model", ["bert-base-uncased", "/nowhere/at/all", ""])
def test_a_model_that_is_not_there_is_refused_not_downloaded(model: str) -> None:
    with pytest.raises(SetupError, match="nothing is downloaded"):
        encoder.model_folder(model)


def test_a_folder_with_pickled_weights_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(SetupError, match="pickles are not loaded"):
        encoder.revision(str(tmp_path))
