import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Teacher
from synalign.errors import SetupError
from synalign.progress import progress
from synalign.teaching.teachers import CrossEncoder, weights_digest

Make = Callable[..., Path]


def teacher(folder: Path) -> Teacher:
    return Teacher(kind="cross_encoder", model=str(folder))


def test_scores_are_the_logits_of_the_librarys_cross_encoder(make_cross_encoder: Make) -> None:
    import torch
    from sentence_transformers import CrossEncoder as Library

    folder = make_cross_encoder()
    documents = ["a lamp", "\u732b\u304c\u597d\u304d", "", "word " * 3000]
    with progress("teach", 1, "pairs") as advance:
        asked = [("how to clean a lamp", [("", text) for text in documents])]
        (found,) = CrossEncoder(teacher(folder)).scores(asked, advance)
    library = Library(str(folder), device="cpu", max_length=512, activation_fn=torch.nn.Identity())
    expected = library.predict([("how to clean a lamp", document) for document in documents])
    assert np.allclose(found, expected, atol=1e-5)
    assert len(set(np.round(found, 6).tolist())) == 4


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: shutil.rmtree(folder), "must be the folder of a cross-encoder"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"), "no .safetensors weights"),
    ],
)
def test_a_folder_that_is_no_cross_encoder_is_refused(
    make_cross_encoder: Make, spoil: Callable[[Path], object], said: str
) -> None:
    folder = make_cross_encoder()
    spoil(folder)
    with pytest.raises(SetupError, match=re.escape(said)):
        CrossEncoder(teacher(folder))


def test_a_classifier_is_no_teacher(make_cross_encoder: Make) -> None:
    with pytest.raises(SetupError, match="has 3 outputs, must have one"):
        CrossEncoder(teacher(make_cross_encoder(labels=3)))


def test_the_digest_is_that_of_the_weights(make_cross_encoder: Make) -> None:
    first, second = make_cross_encoder(), make_cross_encoder()
    assert weights_digest(teacher(first)) == weights_digest(teacher(second))
    (second / "model.safetensors").write_bytes(b"other")
    assert weights_digest(teacher(first)) != weights_digest(teacher(second))
    (second / "model.safetensors").unlink()
    with pytest.raises(SetupError, match=r"no \.safetensors weights"):
        weights_digest(teacher(second))
