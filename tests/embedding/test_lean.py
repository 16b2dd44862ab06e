"""The lean loop against sentence-transformers' own, and the promise that a vector depends on its text alone."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.embedding.lean import Lean, obstacle

FOLDER = encoder.model_folder(encoder.EMBEDDED_MODEL)
TEXTS = [
    *("how to sort a list", "", " ", "a", "x" * 5000, "how to sort a list", "Straße café naïve Ångström", "\t\n tabs"),
    *("日本語 の 検索", "как отсортировать список", "كيفية فرز قائمة", "सूची कैसे क्रमबद्ध करें", "ελληνικά", "한국어 검색어"),
    *("🤖 robots 👩‍👩‍👧 family", "[CLS] [SEP] [PAD] are words here", "<b>bold</b> & 'quotes' \"too\""),
    "\u200bzero\u00a0width",
    *("C++ vs C# f(x)=x**2", "1234567890 " * 3, "covid 19 symptoms", "WHO", "e\u0301 and é", "\x00 nul", "word " * 600),
    *(f"what is the {adjective} way to descale a kettle {'again ' * count}" for count in range(5)
      for adjective in ("best", "fastest", "cheapest")),
]  # fmt: skip


def sentence_transformers(model: str, texts: list[str], max_tokens: int) -> np.ndarray:
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(str(encoder.model_folder(model)), device="cpu")
    loaded.max_seq_length = max_tokens
    return np.asarray(loaded.encode(texts, normalize_embeddings=True))


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return (left.astype(np.float64) * right).sum(axis=1)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return Lean(FOLDER, "float32", 256).encode(TEXTS)


@pytest.mark.slow
def test_float32_is_sentence_transformers_to_rounding_in_any_script(vectors: np.ndarray) -> None:
    expected = sentence_transformers(encoder.EMBEDDED_MODEL, TEXTS, 256)
    assert cosines(vectors, expected).min() >= 0.999999
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)


@pytest.mark.slow
def test_bfloat16_stays_close(vectors: np.ndarray) -> None:
    found = cosines(Lean(FOLDER, "bfloat16", 256).encode(TEXTS), vectors)
    assert found.mean() >= 0.9999
    assert found.min() >= 0.9995


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_vector_is_the_same_to_the_last_bit_whatever_it_is_embedded_with(precision: str) -> None:
    model = Lean(FOLDER, precision, 32)
    texts = [f"{text} {'more ' * (row % 3)}" for row, text in enumerate(TEXTS)]
    whole = model.encode(texts)
    order = np.random.default_rng(0).permutation(len(texts))
    np.testing.assert_array_equal(model.encode([texts[row] for row in order]), whole[order])
    for size in (1, 2, 3, 17):
        np.testing.assert_array_equal(model.encode(texts[:size]), whole[:size])
    # Batches of many equally long texts, each with another number of rows.
    for count in (1, 2, 3, 17, 64):
        alike = model.encode([texts[0]] * count)
        np.testing.assert_array_equal(alike, np.repeat(whole[:1], count, axis=0))


@pytest.mark.parametrize("kind", ["mean", "cls"])
def test_other_berts_with_either_pooling(make_model: Callable[[str], str], kind: str) -> None:
    model = make_model(kind)
    assert obstacle(Path(model)) == ""
    found = encoder.encode(TEXTS, Encoder(model=model, max_tokens=30, precision="float32"))
    assert cosines(found, sentence_transformers(model, TEXTS, 30)).min() >= 0.999999


def test_a_text_is_cut_at_the_last_position_that_the_model_knows(make_model: Callable[[str], str]) -> None:
    long = encoder.encode(["word " * 600], Encoder(model=make_model("mean"), max_tokens=512))
    np.testing.assert_array_equal(long, encoder.encode(["word " * 38], Encoder(model=make_model("mean"))))


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**(json.loads(path.read_text()) if path.exists() else {}), **changes}))


def test_a_pooling_that_leaves_prompts_out_is_left_to_sentence_transformers_where_there_is_a_prompt(
    tmp_path: Path,
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(FOLDER, copy)
    edit(copy / "1_Pooling/config.json", include_prompt=False)
    assert obstacle(copy) == ""
    assert obstacle(copy, prompted=True) == "its pooling leaves the prompt out"


@pytest.mark.parametrize(
    ("file", "changes", "reason"),
    [
        ("config.json", {"model_type": "mpnet"}, "its model_type is 'mpnet', not 'bert'"),
        ("config.json", {"hidden_act": "relu"}, "its hidden_act is 'relu'"),
        ("config.json", {"position_embedding_type": "relative_key"}, "its position_embedding_type is"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pooling_mode_max_tokens"),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "cls"]}, r"its pooling is 'mean\+cls'"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "sets do_lower_case"),
        ("tokenizer_config.json", {"do_lower_case": False}, "differ about lower case"),
        ("tokenizer_config.json", {"padding_side": "left"}, "on the left"),
    ],
)
def test_a_model_that_is_run_in_another_way_is_left_to_sentence_transformers(
    tmp_path: Path, file: str, changes: dict[str, object], reason: str
) -> None:
    copy = tmp_path / "model"
    shutil.copytree(FOLDER, copy, ignore=shutil.ignore_patterns("*.safetensors"))
    (copy / "model.safetensors").touch()
    assert obstacle(copy) == ""
    edit(copy / file, **changes)
    assert re.search(reason, obstacle(copy))
