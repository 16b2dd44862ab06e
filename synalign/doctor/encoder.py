"""The encoder: its files, its checksum, and what it makes of 200 texts."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from synalign.config import Encoder
from synalign.doctor.finding import Case
from synalign.embedding.prompts import Prompts, Side, own
from synalign.embedding.readable import MOST_ALIKE, REMEDY, alike, read, refusal, told, too_many
from synalign.errors import EndpointError, InputError, SetupError, listed

if TYPE_CHECKING:
    from synalign.encoders.server import Server

SIDES: dict[str, Side] = {"queries": "query", "documents": "document"}

_FAMILIES = {"e5": Prompts("query: ", "passage: "), "nomic-embed": Prompts("search_query: ", "search_document: ")}
"""Prompts that families of models were trained with, though the folders of many do not say so."""

_FIRST = 8
_ALONE = 4
"""Texts that an endpoint is asked for alone, too."""

_LEAST_ALIKE = 0.98
"""Least cosine of a text's vectors alone and in company."""

_SECONDS = 30.0
"""Of a large model on a small machine fewer texts are embedded, so that it takes no longer than about this."""


class Tried(NamedTuple):
    """What the encoder made of the texts of one side.

    Attributes:
        texts: How many.
        per_second: How many a second, the model loaded.
        unknown: Share of their tokens that it does not know; None where its tokenizer does not say.
        alike: How many have the very vector of another.
        dimensions: Numbers in a vector.
        note: What else is to be said of them; empty where all is well.
    """

    texts: int
    per_second: float
    unknown: float | None
    alike: int
    dimensions: int
    note: str


def encoder(case: Case) -> str:
    """Check that the encoder's weights are there and unaltered, and what it makes of 200 texts, of the data if read.

    Raises:
        SetupError: The model is missing or altered, or does not work, or there is no GPU where one is asked for.
        InputError: It cannot read the texts.
        GenerationError: An endpoint cannot be used.
    """
    from synalign.embedding import encoder as encoders
    from synalign.embedding.device import device

    settings = case.configuration.encoder
    if settings.endpoint is not None:
        return _served(case)
    digest, where = encoders.revision_of(settings), device(settings)
    encoders.check_room(settings)
    texts, whose = _texts(case)
    found = {name: tried(name, texts[name], settings) for name in SIDES if name in texts}
    checked = "the published one" if settings.model == encoders.EMBEDDED_MODEL else "pinned by every run"
    if settings.download:
        checked += f", fetched at {str(settings.revision)[:12]}"
    plan, first = encoders.plan(settings), next(iter(found.values()))
    name = next(iter(found))
    how = (
        f"not by the lean loop: {plan.obstacle}"
        if plan.obstacle
        else _gain(texts[name][: found[name].texts], settings, SIDES[name], where)
    )
    notes = [one.note for one in found.values() if one.note] + prompt_notes(settings)
    return "; ".join(
        [
            f"{settings.model} gives {first.dimensions} dimensions in {plan.precision} on {where} ({how})",
            *(_said(name, one, whose, "a second and process") for name, one in found.items()),
            _prompts_said(encoders.prompts(settings)),
            f"SHA-256 {digest[:12]}..., {checked}",
            *notes,
        ]
    )


def _texts(case: Case) -> tuple[dict[str, list[str]], str]:
    """Return the texts to embed by name, and whose they are."""
    mine = {name: texts for name, texts in case.texts.items() if texts}
    return mine or {"queries": built_in()}, "yours" if mine else "built in, in English"


def _served(case: Case) -> str:
    """Embed 200 texts by the endpoint, and say how fast it is and what it counts.

    Raises:
        ConfigurationError: Its key is not set.
        GenerationError: It cannot be used.
        InputError: It cannot read the texts.
    """
    from synalign.embedding import encoder as encoders
    from synalign.encoders.server import Server

    settings = case.configuration.encoder
    encoders.check_room(settings)
    texts, whose = _texts(case)
    found, tokens = {}, {}
    with Server(case.configuration) as server:
        for name in (name for name in SIDES if name in texts):
            before = server.tokens
            seconds, vectors = _asked(texts[name], server, SIDES[name])
            found[name] = _judged(name, texts[name][: len(vectors)], vectors, seconds, settings)
            tokens[name] = (server.tokens - before) / len(vectors)
            _require_independence(texts[name][:_ALONE], vectors, server, SIDES[name])
    first = next(iter(found.values()))
    return "; ".join(
        [
            f"{settings.model} at {settings.endpoint} gives {first.dimensions} dimensions",
            *(
                f"{_said(name, one, whose, 'a second')}, {_cost(tokens[name], server.counted, settings)}"
                for name, one in found.items()
            ),
            _prompts_said(encoders.prompts(settings)),
            f"told apart by the name and encoder.revision == {settings.revision!r} alone: change it with the weights",
            *prompt_notes(settings),
        ]
    )


def _asked(texts: list[str], server: Server, side: Side) -> tuple[float, NDArray[np.float32]]:
    """Return the seconds and vectors of some texts; of a slow server those of a few of them."""
    started = time.perf_counter()
    vectors = server.encode(texts[:_FIRST], side=side)
    if (time.perf_counter() - started) * len(texts) / _FIRST < _SECONDS and len(texts) > _FIRST:
        vectors = np.concatenate([vectors, server.encode(texts[_FIRST:], side=side)])
    return max(time.perf_counter() - started, 1e-9), vectors


def _require_independence(texts: list[str], vectors: NDArray[np.float32], server: Server, side: Side) -> None:
    """Refuse an endpoint whose vector of a text depends on the texts that it is sent with.

    Raises:
        EndpointError: It does.
    """
    alone = np.concatenate([server.encode([text], side=side) for text in texts])
    least = float((alone * vectors[: len(texts)]).sum(axis=1).min())
    if least < _LEAST_ALIKE:
        raise EndpointError(
            f"encoder.endpoint gives a text another vector in company than alone: cosine {least:.3f}.",
            cause="a server that mixes the texts of a batch, as some versions of llama.cpp do with several slots",
            remedy="start the server with one slot (llama.cpp: --parallel 1), upgrade it, or take another",
        )


def _cost(tokens: float, counted: bool, settings: Encoder) -> str:
    """Return what a text costs in words: tokens, and money where there is a price."""
    words = f"{tokens:,.1f} tokens a text"
    if not counted:
        words = f"at most {words} (it does not say how many: budgets count the most that it can be)"
    if price := settings.budget.input_price:
        words += f", {tokens * price:,.4g} {settings.budget.currency} a million texts"
    return words


def tried(name: str, texts: list[str], settings: Encoder) -> Tried:
    """Embed some distinct texts of one side as a refresh would.

    Raises:
        SetupError: A vector is not of length 1.
        InputError: The encoder cannot read the texts.
    """
    from synalign.embedding import encoder as encoders

    side, reading = SIDES[name], read(texts, settings)
    if reading is not None and not reading.fits:
        raise refusal(name, settings, reading)
    # The model is loaded by the first text.
    encoders.encode(texts[:1], settings, side=side)
    seconds, vectors = _timed(texts[:_FIRST], settings, side)
    if seconds * len(texts) / _FIRST < _SECONDS:
        seconds, vectors = _timed(texts, settings, side)
    return _judged(name, texts[: len(vectors)], vectors, seconds, settings)


def _judged(name: str, texts: list[str], vectors: NDArray[np.float32], seconds: float, settings: Encoder) -> Tried:
    """Return what was made of some texts in so many seconds.

    Raises:
        SetupError: A vector is not of length 1.
        InputError: The encoder gives too many texts the vector of another.
    """
    side, reading = SIDES[name], read(texts, settings)
    lengths = np.linalg.norm(vectors, axis=1)
    # Written so that NaN fails.
    wrong = lengths[~(np.abs(lengths - 1.0) < 1e-3)]
    if len(wrong):
        raise SetupError(
            f"encoder.model == {settings.model!r}, gives a vector of length {wrong[0]:.3g}, must be 1.",
            cause="weights that are damaged, or no sentence encoder",
            remedy="save the model again with SentenceTransformer.save_pretrained",
        )
    same = alike(texts, vectors)
    # Long documents may well begin alike, up to where they are cut.
    if side == "query" and too_many(same, len(texts), MOST_ALIKE):
        raise InputError(
            f"encoder.model == {settings.model!r}, gives {same:,} of {len(texts):,} distinct queries the "
            "vector of another.",
            cause="the encoder cannot read them, or its weights are damaged",
            remedy=REMEDY,
        )
    unknown = None if reading is None else reading.unknown_share
    note = "" if reading is None else told(name, reading)
    return Tried(len(texts), len(texts) / seconds, unknown, same, vectors.shape[1], f"{note}: {REMEDY}" if note else "")


def _timed(texts: list[str], settings: Encoder, side: Side) -> tuple[float, NDArray[np.float32]]:
    from synalign.embedding.encoder import encode

    started = time.perf_counter()
    vectors = encode(texts, settings, side=side)
    return max(time.perf_counter() - started, 1e-9), vectors


def _gain(texts: list[str], settings: Encoder, side: Side, where: str) -> str:
    """Say how much faster the lean loop is than sentence-transformers by itself, in float32 and batches of 32.

    On the CPU by the time of this process: on a busy machine a wall clock measures the neighbours.
    """
    from synalign.embedding import encoder as encoders
    from synalign.embedding import whole

    prompt = encoders.prompts(settings).of(side)
    library = whole.load(encoders.folder(settings), settings.max_tokens, where)
    library.encode(texts[:_FIRST], prompt=prompt, show_progress_bar=False)
    clock = time.process_time if where == "cpu" else time.perf_counter
    started = clock()
    library.encode(texts, prompt=prompt, batch_size=32, show_progress_bar=False)
    middle = clock()
    encoders.encode(texts, settings, side=side)
    theirs, ours = middle - started, max(clock() - middle, 1e-9)
    return f"by the lean loop, {theirs / ours:.1f} times as fast as sentence-transformers' own"


def _said(name: str, found: Tried, whose: str, a_second: str) -> str:
    unknown = "" if found.unknown is None else f"{found.unknown:.1%} of their tokens unknown, "
    return (
        f"{found.texts} {name} ({whose}): {found.per_second:,.0f} {a_second}, {unknown}"
        f"{found.alike / found.texts:.1%} with the vector of another"
    )


def _prompts_said(prompts: Prompts) -> str:
    if not any(prompts):
        return "no prompts"
    return f"before queries {prompts.query!r}, before documents {prompts.document!r}"


def prompt_notes(settings: Encoder) -> list[str]:
    """Return what to look at where a model may have been trained with prompts that are not used."""
    from synalign.embedding import encoder as encoders

    if any(encoders.prompts(settings)) or None not in (settings.query_prompt, settings.document_prompt):
        return []
    served = settings.endpoint is not None
    names = () if served else own(encoders.folder(settings)).names
    if names:
        return [
            f"the model has prompts named {listed(names)}, and none for queries or documents: if it was trained with "
            "them, copy the right ones into encoder.query_prompt and encoder.document_prompt"
        ]
    folder, whose = Path(settings.model).name.lower(), "the settings name" if served else "its folder names"
    if "instruct" in folder:
        # Their prompts say the task, and are nobody's to guess.
        return [f"{whose} no prompts, and models with `instruct` in their name are trained with some: see its "
                "page, and set encoder.query_prompt and encoder.document_prompt (empty: none)"]  # fmt: skip
    return [
        f"{whose} no prompts, and {family} models are trained with {prompts.query!r} and "
        f"{prompts.document!r}: set encoder.query_prompt and encoder.document_prompt (empty: none)"
        for family, prompts in _FAMILIES.items()
        if re.search(rf"(^|[^a-z0-9]){family}([^a-z0-9]|$)", folder)
    ]


def built_in() -> list[str]:
    """Return 200 distinct queries in English, for where no data can be read.

    >>> len(set(built_in())), built_in()[0]
    (200, 'how to clean a coffee machine')
    """
    asked = ("how to clean", "how to repair", "best", "spare parts for", "manual of",
             "error code of", "warranty of", "price of", "noise of", "why is there water in")  # fmt: skip
    things = ("coffee machine", "dishwasher", "washing machine", "toaster", "kettle", "fridge", "oven", "mixer",
              "vacuum cleaner", "lamp", "heater", "fan", "iron", "radio", "printer", "camera", "phone", "bicycle",
              "lawn mower", "drill")  # fmt: skip
    return [f"{words} a {thing}" for words in asked for thing in things]
