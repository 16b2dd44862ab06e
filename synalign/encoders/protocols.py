"""What servers that embed are sent, and how vectors are read from what they answer.

`openai`: `POST /embeddings` with `model` and `input`; `data` with `index` and `embedding`, a list of numbers or their
bytes as base64 (float32, little-endian), a quarter of the size. OpenAI, Azure, vLLM, SGLang, llama.cpp, Ollama, LiteLLM
and, under `/v1`, Text Embeddings Inference speak it. `tei`: the latter's own `POST /embed` with `inputs`; a list of
vectors in the order of the texts.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from synalign.generation.calls import Call
from synalign.generation.outcomes import INVALID_OUTPUT, REJECTED, UNSUPPORTED, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from synalign.config import Encoder

PATHS = {"openai": "/embeddings", "tei": "/embed"}

_FORM = re.compile(r"encoding.?format|base64", re.IGNORECASE)
_TOKENS_HEADER = "x-compute-tokens"


def call(settings: Encoder, texts: Sequence[str], *, as_bytes: bool = True) -> Call:
    """Return the call for some texts.

    Args:
        settings: Says which API, and the model's name.
        texts: Cut, with their prompt.
        as_bytes: Whether vectors are asked for as base64.
    """
    if settings.api == "tei":
        return Call({"inputs": list(texts), "normalize": True, "truncate": True}, texts)
    body: dict[str, Any] = {"model": settings.model, "input": list(texts)}
    return Call(body | {"encoding_format": "base64"} if as_bytes else body, texts)


def without_bytes(failure: Failure, asked: Call) -> Call | None:
    """Return the call without the wish for base64, where a server refused that; None where it did not."""
    refused = failure.outcome in (REJECTED, UNSUPPORTED) and _FORM.search(failure.detail)
    if not refused or "encoding_format" not in asked.body:
        return None
    return asked._replace(body={name: value for name, value in asked.body.items() if name != "encoding_format"})


def tokens(content: Any, headers: Mapping[str, str]) -> int | None:
    """Return the tokens that an answer reports: in `usage`, or in the header of Text Embeddings Inference.

    >>> tokens({"usage": {"prompt_tokens": 7}}, {}), tokens([], {"x-compute-tokens": "9"}), tokens([], {})
    (7, 9, None)
    """
    usage = content.get("usage") if isinstance(content, dict) else None
    found = usage.get("prompt_tokens", usage.get("total_tokens")) if isinstance(usage, dict) else None
    if type(found) is int and found > 0:
        return found
    said = headers.get(_TOKENS_HEADER, "")
    return int(said) if said.isascii() and said.isdecimal() and len(said) < 12 else None


def read(content: Any, texts: int) -> NDArray[np.float32]:
    """Return (texts, d) float32 unit rows out of an answer, in the order of the texts.

    Raises:
        Failure: There are more or fewer vectors than texts, or they differ in width, are not finite or zero.
    """
    rows = _rows(content, texts)
    widths = {len(row) for row in rows}
    if len(widths) != 1 or 0 in widths:
        raise _bad(f"vectors of {len(widths)} widths in one answer: {sorted(widths)[:4]}")
    vectors = np.stack(rows)
    if not np.isfinite(vectors).all():
        raise _bad("a vector that holds no finite numbers")
    # Of the largest number first, so that no square is beyond the range.
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    if not largest.all():
        raise _bad("a vector of zeros, which has no direction")
    vectors = vectors / largest
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _rows(content: Any, texts: int) -> list[NDArray[np.float64]]:
    """Return the vectors in the order of the texts."""
    if isinstance(content, dict):
        entries = content.get("data")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise _bad("no list `data` of vectors")
        places = [entry.get("index", number) for number, entry in enumerate(entries)]
        if any(type(place) is not int for place in places) or sorted(places) != list(range(texts)):
            raise _bad(f"{len(entries)} vectors for {texts} texts, or their `index` is not 0 to {texts - 1}")
        found = dict(zip(places, (entry.get("embedding") for entry in entries), strict=True))
        return [_row(found[place]) for place in range(texts)]
    if not isinstance(content, list):
        raise _bad("neither a list of vectors nor `data`")
    if len(content) != texts:
        raise _bad(f"{len(content)} vectors for {texts} texts")
    return [_row(row) for row in content]


def _row(value: Any) -> NDArray[np.float64]:
    if isinstance(value, str):
        try:
            return np.frombuffer(base64.b64decode(value, validate=True), dtype="<f4").astype(np.float64)
        except (binascii.Error, ValueError):
            raise _bad("base64 that is no float32 numbers") from None
    if not isinstance(value, list):
        raise _bad("something else than a vector of numbers")
    if value and isinstance(value[0], list):
        raise _bad("a vector for each token: start the server with pooling (llama.cpp: --pooling mean)")
    try:
        row = np.array(value)
    except (ValueError, OverflowError):
        raise _bad("something else than a vector of numbers") from None
    if row.dtype.kind not in "if" or row.ndim != 1:
        raise _bad("something else than a vector of numbers")
    return row.astype(np.float64)


def _bad(what: str) -> Failure:
    return Failure(INVALID_OUTPUT, f"the answer has {what}")
