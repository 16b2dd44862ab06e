"""Where a model runs; on machines with a GPU and without."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from synalign.config import Encoder
from synalign.embedding import encoder
from synalign.embedding.device import device, device_of
from synalign.errors import SetupError

TEXTS = ["how to sort a list", "", "descale a kettle " * 20]
with_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")


@without_gpu
def test_without_a_gpu_auto_is_the_cpu_and_cuda_is_refused_with_what_to_do() -> None:
    assert device(Encoder()) == device(Encoder(device="cpu")) == "cpu"
    with pytest.raises(SetupError, match=r"(?s)encoder.device == 'cuda'.*sees no GPU.*auto or cpu"):
        encoder.encode(TEXTS, Encoder(device="cuda"))


@with_gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_a_gpu_gives_the_vectors_of_the_cpu_but_for_rounding(precision: str) -> None:
    assert device(Encoder()).startswith("cuda:")
    found, expected = (encoder.encode(TEXTS, Encoder(device=where, precision=precision)) for where in ("cuda", "cpu"))
    assert (found * expected).sum(axis=1).min() > (0.999999 if precision == "float32" else 0.999)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_a_word_for_a_device_is_one_of_three_and_names_its_setting_where_it_is_not() -> None:
    assert device_of("cpu") == "cpu"
    assert device_of("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(SetupError, match="--device == 'tpu', must be one of auto, cpu, cuda"):
        device_of("tpu", "--device")


@without_gpu
def test_the_setting_that_asked_for_a_gpu_is_named() -> None:
    with pytest.raises(SetupError, match=r"(?s)^device == 'cuda'.*set device to auto or cpu"):
        device_of("cuda")


def test_the_cpu_needs_no_look_at_the_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert device(Encoder(device="cpu")) == "cpu"


def test_each_device_is_a_word_of_the_settings() -> None:
    with pytest.raises(ValueError, match=r"auto.*cpu.*cuda"):
        Encoder(device="cuda:1")
