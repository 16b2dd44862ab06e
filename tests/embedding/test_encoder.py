import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.errors import SetupError

TEXTS = ["how to sort a list", "", "a", "日本語 の 検索", "how to sort a list", "word " * 50]


@pytest.mark.parametrize(("kind", "reason"), [("max", "'max'"), ("dense", "Dense"), ("static", "StaticEmbedding")])
def test_a_model_that_the_lean_loop_does_not_fit_runs_as_sentence_transformers_runs_it(
    make_model: Callable[[str], str], kind: str, reason: str
) -> None:
    from sentence_transformers import SentenceTransformer

    settings = Encoder(model=make_model(kind), max_tokens=30, precision="bfloat16")
    plan = encoder.plan(settings)
    assert (plan.loop, plan.precision) == ("encode", "float32")
    assert reason in plan.obstacle
    loaded = SentenceTransformer(settings.model, device="cpu")
    if kind != "static":
        loaded.max_seq_length = 30
    found = encoder.encode(TEXTS, settings)
    expected = np.asarray(loaded.encode(TEXTS))
    expected /= np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(found[[3, 0]], encoder.encode([TEXTS[3], TEXTS[0]], settings))


def test_precision_is_the_one_asked_for_or_what_the_cpu_is_best_at(monkeypatch: pytest.MonkeyPatch) -> None:
    for capable, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(encoder, "_has_bfloat16", lambda capable=capable: capable)
        encoder.plan.cache_clear()
        assert encoder.plan(Encoder()).precision == expected
        assert encoder.plan(Encoder(precision="float32")).precision == "float32"
        assert encoder.plan(Encoder(precision="bfloat16")) == ("bfloat16", "")
    encoder.plan.cache_clear()


@pytest.mark.parametrize("kind", ["mean", "max", "static"])
def test_float16_is_taken_by_both_loops_and_differs_by_rounding_alone(
    make_model: Callable[[str], str], kind: str
) -> None:
    half, full = (Encoder(model=make_model(kind), max_tokens=30, precision=name) for name in ("float16", "float32"))
    assert encoder.plan(half).precision == "float16"
    found, expected = encoder.encode(TEXTS, half), encoder.encode(TEXTS, full)
    assert found.dtype == np.float32
    rows = np.linalg.norm(expected, axis=1) > 0
    assert (found * expected)[rows].sum(axis=1).min() > 0.999
    assert encoder.identity(half) != encoder.identity(full)


def test_float16_that_is_too_small_or_missing_is_told(
    make_model: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Encoder(model=make_model("mean"), precision="float16", max_tokens=30)

    def lacking(*_: object) -> None:
        raise RuntimeError("\"addmm\" not implemented for 'Half'")

    with monkeypatch.context() as patched:
        patched.setattr(encoder.Lean, "encode", lacking)
        with pytest.raises(SetupError, match=r"(?s)'float16', cannot be used on cpu.*float32"):
            encoder.encode(TEXTS, settings)
    monkeypatch.setattr(encoder.Lean, "encode", lambda *_: np.full((1, 4), np.nan, np.float32))
    with pytest.raises(SetupError, match=r"(?s)not finite in float16.*65,504"):
        encoder.encode(["a"], settings)


def test_of_an_endpoint_the_name_and_the_users_revision_tell_vectors_apart_not_the_address() -> None:
    one = Encoder(model="m", endpoint="http://a/v1")
    same = [one, one.model_copy(update={"endpoint": "https://b.example/v1", "device": "cpu", "texts_per_request": 8})]
    assert len({encoder.identity(settings) for settings in same}) == 1
    others = [{"model": "n"}, {"revision": "2"}, {"max_tokens": 99}, {"query_prompt": "q"}]
    assert len({encoder.identity(one.model_copy(update=other)) for other in [{}, *others]}) == 5
    assert (encoder.plan(one).loop, encoder.plan(one).precision, encoder.revision_of(one)) == (
        "endpoint", "served", "served",
    )  # fmt: skip
    assert encoder.resolved(one).query_prompt == ""


def test_an_endpoint_has_no_weights_here_and_a_prompt_needs_room(make_model: Callable[[str], str]) -> None:
    served = Encoder(model="m", endpoint="http://a/v1", query_prompt="x" * 100, max_tokens=30)
    with pytest.raises(SetupError, match=r"(?s)runs at encoder.endpoint.*`adapter`.*training.model"):
        encoder.encode(["a"], served)
    with pytest.raises(SetupError, match="must be at least 33: the prompt of a query has 25 tokens"):
        encoder.check_room(served)
    encoder.check_room(served.model_copy(update={"max_tokens": 33}))
    assert encoder.settings_of(make_model("mean"), served).endpoint is None
    assert encoder.settings_of("m", served) is served


def test_all_that_decides_a_vector_is_in_its_identity(make_model: Callable[[str], str], tmp_path: Path) -> None:
    same_weights = tmp_path / "mean"
    shutil.copytree(make_model("mean"), same_weights)
    (same_weights / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    found = {
        encoder.identity(Encoder(model=model, precision=precision, max_tokens=tokens))
        for model in (make_model("mean"), str(same_weights), make_model("static"))
        for precision in ("float32", "bfloat16")
        for tokens in (30, 31)
    }
    # A static model has one precision.
    assert len(found) == 2 * 2 + 2 * 2 + 2
    copy = tmp_path / "elsewhere" / Path(make_model("mean")).name
    shutil.copytree(make_model("mean"), copy)
    assert encoder.identity(Encoder(model=str(copy))) == encoder.identity(Encoder(model=make_model("mean")))


def test_no_text_gives_no_vector() -> None:
    assert encoder.encode([], Encoder()).size == 0


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


def test_a_relative_folder_starts_at_home_as_every_path_of_a_configuration(home: Path) -> None:
    (home / "models" / "mine").mkdir(parents=True)
    (home / "models" / "mine" / "modules.json").write_text("[]")
    assert encoder.model_folder("models/mine") == home / "models" / "mine"
    with pytest.raises(SetupError, match=str(home / "models" / "other")):
        encoder.model_folder("models/other")


def test_a_folder_with_an_adapter_whose_model_is_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}')
    with pytest.raises(SetupError, match="holds an adapter, whose model is elsewhere"):
        encoder.model_folder(str(tmp_path))


@pytest.mark.parametrize("model", ["bert-base-uncased", "/nowhere/at/all", ""])
def test_a_model_that_is_not_there_is_refused_not_downloaded(model: str) -> None:
    with pytest.raises(SetupError, match="nothing is downloaded"):
        encoder.model_folder(model)


def test_a_folder_with_pickled_weights_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "modules.json").write_text("[]")
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickle")
    with pytest.raises(SetupError, match="pickles are not loaded"):
        encoder.revision(str(tmp_path))
