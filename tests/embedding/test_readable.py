"""An encoder that cannot read texts is told from one that can, by its tokens and by its vectors."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.embedding.readable import MOST_ALIKE, Reading, alike, read, refusal, told, too_many
from synalign.local import demo_data
from tests.embedding.foreign import READABLE, SPELLED, UNREADABLE, made


def reading(texts: list[str], settings: Encoder | None = None) -> Reading:
    found = read(texts, settings or Encoder())
    assert found is not None
    return found


@pytest.mark.parametrize("name", UNREADABLE)
def test_languages_without_a_vocabulary_do_not_fit(name: str) -> None:
    found = reading(made(name))
    assert found.unreadable_share > 0.45
    assert not found.fits
    error = refusal("queries", Encoder(), found)
    assert error.exit_code == 3
    assert "cannot read the queries" in error.message
    assert "set encoder.model" in error.remedy
    assert f"{found.unknown_share:.0%} of their tokens are unknown" in error.message
    # What people typed does not go into logs.
    assert not any(text in str(error) for text in made(name))


@pytest.mark.parametrize("name", [*READABLE, *SPELLED])
def test_what_it_knows_fits(name: str) -> None:
    found = reading(made(name))
    assert found.fits
    assert found.unreadable_share <= 0.1
    assert bool(len(found.spelled) > 40) is (name in SPELLED)
    assert ("letter by letter" in told("queries", found)) is (name in SPELLED)


def test_made_english_is_read_to_the_last_token(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    log, documents = demo_data.make(tmp_path, events=2000)
    queries = sorted({text for text in pq.read_table(log)["query"].to_pylist() if text and text.strip()})
    for texts in (queries, pq.read_table(documents)["text"].to_pylist()):
        found = reading(texts)
        assert (found.unreadable, found.spelled) == ((), ())
        assert told("queries", found) == ""


@pytest.mark.parametrize("name", UNREADABLE)
@pytest.mark.parametrize(("foreign", "fits"), [(0.02, True), (0.1, True), (0.8, False)])
def test_a_few_foreign_rows_are_a_warning_and_many_are_none(name: str, foreign: float, fits: bool) -> None:
    others = made(name)
    rng = random.Random(name)
    english = [f"{query} {row}" for row in range(9) for query in made("English")]
    rows = rng.sample(others, max(4, int(len(others) * min(1.0, foreign * 2))))
    texts = [*rows, *rng.sample(english, min(len(english), int(len(rows) * (1 - foreign) / foreign)))]
    found = reading(texts)
    assert found.fits is fits
    if fits:
        assert "the encoder cannot read" in told("queries", found)


@pytest.mark.parametrize("text", ["\u200b\u200b", "\u0301\u0301", "\ufe0f"])
def test_a_text_of_which_no_token_is_left_is_lost(text: str) -> None:
    assert reading([text, "how to clean a kettle"]).unreadable == (0,)


def test_texts_that_differ_in_case_and_accents_alone_are_no_sign() -> None:
    texts = ["Kettle cleaning", "kettle cleaning", "kéttle cleaning", "KETTLE CLEANING"]
    assert reading(texts).unreadable == ()
    assert alike(texts, encoder.encode(texts, Encoder())) == 0


def test_equal_vectors_of_different_texts_are_counted() -> None:
    thai, english = made("Thai"), made("English")
    assert alike(thai, encoder.encode(thai, Encoder())) == len(thai)
    assert alike(english, encoder.encode(english, Encoder())) == 0
    japanese = made("Japanese")
    assert too_many(alike(japanese, encoder.encode(japanese, Encoder())), len(japanese), MOST_ALIKE)


def test_long_texts_that_begin_alike_are_no_sign() -> None:
    begins = "😀 " + "the same words at the beginning of every page " * 40
    assert reading([begins + end for end in "abcdefghij"]).unreadable == ()


@pytest.mark.parametrize("kind", ["mean", "static"])
def test_the_tokenizer_of_any_model_is_asked(kind: str, make_model: Callable[[str], str]) -> None:
    assert not reading(made("Thai"), Encoder(model=make_model(kind))).fits
    assert reading(made("English"), Encoder(model=make_model(kind))).fits


def test_a_tokenizer_that_knows_every_byte_says_nothing(make_model: Callable[[str], str], tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(make_model("static"), copy)
    file = next(copy.rglob("tokenizer.json"))
    content = json.loads(file.read_text())
    content["model"]["byte_fallback"] = True
    file.write_text(json.dumps(content))
    assert read(made("Thai"), Encoder(model=str(copy))) is None
    file.unlink()
    assert read(made("Thai"), Encoder(model=str(copy), max_tokens=64)) is None


def test_no_texts_are_no_sign() -> None:
    found = reading([])
    assert found.fits
    assert (found.unknown_share, found.unreadable_share) == (0.0, 0.0)
    assert alike([], np.empty((0, 0), np.float32)) == 0
