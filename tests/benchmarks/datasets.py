"""Real queries to measure on, read from a folder of public data sets, with their embeddings kept from run to run.

The folder holds `clapnq/` and `cosqa/` (BEIR, with `unlabelled_queries.jsonl`), `banking77/train.csv` (text,category)
and `bing_covid/*.tsv` (Date, Query, ..., PopularityScore), each as published.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from synalign.config import Encoder

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST_HELD_OUT_DAY = "2020-01-25"
"""The Bing queries before this day are the pool, the traffic from it on is what is to be covered."""

LONG_ENOUGH = "2020-01-23"
"""Before this day of the Bing log there are too few queries for ten batches a day."""


class Split(NamedTuple):
    """Queries to pick from, and queries that are to be covered.

    Attributes:
        name: Of the data set.
        pool: (n, d) float32 unit rows.
        pool_counts: (n,) traffic of each.
        held_out: (h, d) float32 unit rows.
        held_out_counts: (h,) traffic of each.
        pool_labels: (n,) class of each pool query, where the data set has classes.
    """

    name: str
    pool: NDArray[np.float32]
    pool_counts: NDArray[np.float64]
    held_out: NDArray[np.float32]
    held_out_counts: NDArray[np.float64]
    pool_labels: NDArray[np.str_] | None = None


def kept_folder() -> Path:
    """Where embeddings and results stay between runs: under the benchmarks' own part of the home."""
    home = Path(os.environ.get("SYNALIGN_HOME", ".synalign")).resolve() / "benchmarks"
    home.mkdir(parents=True, exist_ok=True)
    return home


def embed(texts: list[str]) -> NDArray[np.float32]:
    """(n, d) float32 unit rows of the embedded encoder, kept in a file named by the texts' digest."""
    name = hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:16]
    kept = kept_folder() / f"embeddings-{name}.npy"
    if not kept.exists():
        from synalign.embedding.encoder import encode

        np.save(kept, encode(texts, Encoder(precision="float32")))
    vectors: NDArray[np.float32] = np.load(kept)
    return vectors


def rows_of(file: Path) -> list[dict[str, str]]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in file.read_text().splitlines()]


def corpus(folder: Path) -> dict[str, str]:
    """Texts of a BEIR folder by id. Titles are left out: they give the answers to many pseudo-queries away."""
    return {row["_id"]: row["text"] for row in rows_of(folder / "corpus.jsonl")}


def beir_queries(folder: Path) -> list[str]:
    """Distinct judged and unlabelled queries of a BEIR folder."""
    names = ("queries.jsonl", "unlabelled_queries.jsonl")
    return sorted({row["text"] for name in names for row in rows_of(folder / name)})


def banking_queries(folder: Path) -> tuple[list[str], NDArray[np.str_]]:
    """Customer questions and the intent of each."""
    with open(folder / "train.csv", newline="") as file:
        rows = sorted({(row["text"], row["category"]) for row in csv.DictReader(file)})
    return [text for text, _ in rows], np.array([intent for _, intent in rows])


def bing_log(folder: Path) -> pd.DataFrame:
    """`day`, `query` and `traffic`: popularity summed over countries."""
    (file,) = folder.glob("*.tsv")
    log = pd.read_csv(file, sep="\t", keep_default_na=False)
    log = log.rename(columns={"Date": "day", "Query": "query", "PopularityScore": "traffic"})
    return log.groupby(["day", "query"], as_index=False)["traffic"].sum()


def splits(data: Path, seed: int) -> list[Split]:
    """A random half of each data set to pick from and another to cover; of the Bing log, earlier and later days."""
    found = []
    for name in ("clapnq", "cosqa"):
        vectors = embed(beir_queries(data / name))
        found.append(_halves(name, vectors, seed, len(vectors)))
    texts, intents = banking_queries(data / "banking77")
    found.append(_halves("banking77", embed(texts), seed, 5_000, intents))
    found.append(_bing(data / "bing_covid", seed))
    return found


def _halves(
    name: str, vectors: NDArray[np.float32], seed: int, most: int, labels: NDArray[np.str_] | None = None
) -> Split:
    order = np.random.default_rng(seed).permutation(len(vectors))[:most]
    pool, later = order[: len(order) // 2], order[len(order) // 2 :]
    return Split(
        name, vectors[pool], np.ones(len(pool)), vectors[later], np.ones(len(later)),
        None if labels is None else labels[pool],
    )  # fmt: skip


def _bing(folder: Path, seed: int) -> Split:
    log = bing_log(folder)
    early = log[log["day"] < FIRST_HELD_OUT_DAY].groupby("query")["traffic"].sum()
    late = log[log["day"] >= FIRST_HELD_OUT_DAY].groupby("query")["traffic"].sum()
    half = np.random.default_rng(seed).permutation(len(early))[: len(early) // 2]
    pool = early.iloc[np.sort(half)]
    return Split(
        "bing_covid",
        embed(list(early.index))[np.sort(half)],
        pool.to_numpy(np.float64),
        embed(list(late.index)),
        late.to_numpy(np.float64),
    )


def bing_days(data: Path) -> list[tuple[str, NDArray[np.float32], NDArray[np.float64]]]:
    """Day by day of the Bing log: embeddings of its distinct queries, and their traffic."""
    log = bing_log(data / "bing_covid")
    texts = sorted(set(log["query"]))
    place, vectors = {text: row for row, text in enumerate(texts)}, embed(texts)
    return [
        (str(day), vectors[[place[text] for text in rows["query"]]], rows["traffic"].to_numpy(np.float64))
        for day, rows in log[log["day"] >= LONG_ENOUGH].groupby("day")
    ]
