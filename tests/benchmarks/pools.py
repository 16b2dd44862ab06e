"""Pools of rule-made pseudo-queries for public collections, in several styles, screened as the product screens."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.datasets import beir_queries, corpus, embed, rows_of

MOST = 4_000
"""Pseudo-queries embedded per collection: a few minutes on two cores."""

PER_DOCUMENT = 3
"""Pseudo-queries per document, by hash; the pools of the study that this repeats had two to three."""

DEPTH = 10
"""The round trip keeps a pseudo-query whose document is among this many nearest ones."""

_STOP = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by for from has have if in into is it its of on or that the this to was were with",
    )
)
_QUESTION = ("who is", "when did", "where is", "how many", "what does", "why is")


class Pool(NamedTuple):
    """A screened pool and the real queries around it.

    Attributes:
        candidates: (m, d) float32 unit rows.
        documents: (m,) the document of each.
        train: (n, d) real queries to align to.
        held_out: (h, d) real queries to judge on.
    """

    candidates: NDArray[np.float32]
    documents: list[str]
    train: NDArray[np.float32]
    held_out: NDArray[np.float32]


def pool(name: str, folder: Path) -> Pool:
    """Write, deduplicate, embed and screen the pool of `cosqa` or `clapnq`; split its real queries by hash."""
    documents = rows_of(folder / "corpus.jsonl")
    written = dict.fromkeys(functions(folder) if name == "cosqa" else passages(documents))
    seen: dict[str, str] = {}
    taken: Counter[str] = Counter()
    for document, query in sorted(written, key=lambda pair: (text_hash(pair[0]), text_hash("".join(pair)))):
        if query.lower().strip() not in seen and taken[document] < PER_DOCUMENT:
            seen[query.lower().strip()] = document
            taken[document] += 1
    kept = list(seen.items())[:MOST]
    vectors = embed([query for query, _ in kept])
    # Only documents that someone asks for, and their strongest rivals, matter; but ranking is among all of them.
    texts = [document["text"][:600] for document in documents]
    places = {document["_id"]: place for place, document in enumerate(documents)}
    survived = _round_trip(vectors, embed(texts), np.array([places[document] for _, document in kept]))
    real = beir_queries(folder)
    held_out = np.array([int(text_hash(query), 16) % 2 == 1 for query in real])
    real_vectors = embed(real)
    return Pool(
        vectors[survived],
        [document for (_, document), stays in zip(kept, survived, strict=True) if stays],
        real_vectors[~held_out],
        real_vectors[held_out],
    )


def text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _round_trip(
    queries: NDArray[np.float32], documents: NDArray[np.float32], own: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Whether fewer than `DEPTH` documents are nearer to each query than its own."""
    scores = queries @ documents.T
    mine = scores[np.arange(len(queries)), own]
    return np.asarray((scores > mine[:, None]).sum(1) < DEPTH)


def functions(folder: Path) -> Iterator[tuple[str, str]]:
    """From the first sentence of a docstring and the function's name, in six styles."""
    texts = corpus(folder)
    for row in rows_of(folder / "docstrings.jsonl"):
        first = re.split(r"[.\n]", row["docstring"].strip())[0].strip()
        found = re.search(r"def (\w+)", texts[row["_id"]])
        if len(first.split()) < 3 or not found:
            continue
        name = " ".join(re.sub(r"([a-z])([A-Z])", r"\1 \2", found[1]).replace("_", " ").lower().split())
        plain = first[0].lower() + first[1:]
        for query in (
            first,
            f"how to {plain} in python",
            f"python {_keywords(first)}",
            f"python {name}",
            f"Write a Python function that {plain}",
            f"What does the function {name} do when {plain}?",
        ):
            yield row["_id"], query


def passages(documents: list[dict[str, str]]) -> Iterator[tuple[str, str]]:
    """From title and sentences, in six styles."""
    for document in documents:
        title = document["title"]
        sentences = [part for part in re.split(r"(?<=[.!?]) ", document["text"]) if 5 <= len(part.split()) <= 30][:3]
        for place, sentence in enumerate(sentences):
            words = sentence.rstrip(" .").split()
            question = _QUESTION[int(text_hash(sentence), 16) % len(_QUESTION)]
            yield document["_id"], f"{title} {_keywords(sentence)}"
            yield document["_id"], f"{question} {title.lower()} {_keywords(sentence, 3)}"
            if place == 0:
                yield document["_id"], " ".join(words[:8])
                yield document["_id"], " ".join(["what", *words[len(words) // 2 :]])
                yield document["_id"], f"{question} {title.lower()}"
                yield document["_id"], f"Please explain in detail, using the passage, {title}: {sentence}"


def _keywords(sentence: str, most: int = 6) -> str:
    """The first words that carry meaning."""
    words = [word.strip(".,;:()`'\"").lower() for word in sentence.split()]
    return " ".join([word for word in words if len(word) > 2 and word not in _STOP][:most])
