"""A tiny stand-in for the folder of public data sets: the same files and columns, a few hundred made lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.benchmarks.measurement import Size

_DOCUMENTS, _QUERIES, _UNLABELLED = 24, 48, 16
_INTENTS, _QUESTIONS = 6, 10
_DAYS, _QUERIES_A_DAY = 4, 24
_THINGS = ("river", "kettle", "engine", "garden", "violin", "bridge", "harbour", "lantern", "glacier", "orchard")
_VERBS = ("repairs", "paints", "measures", "follows", "carries", "opens", "builds", "finds", "cleans", "moves")
_QUALITIES = ("old", "red", "quiet", "heavy", "northern", "wooden", "famous", "small", "broken", "early")


@contextmanager
def data_folder(given: Path | None, size: Size) -> Iterator[Path | None]:
    """Give the folder of data sets that was asked for; for the smoke form a made one, removed at the end."""
    if size != "smoke":
        yield given
        return
    with TemporaryDirectory() as name:
        make_data(Path(name))
        yield Path(name)


def make_data(folder: Path) -> None:
    """Write `clapnq/`, `cosqa/`, `banking77/` and `bing_covid/` as `tests.benchmarks.datasets` reads them."""
    rng = np.random.default_rng(0)
    passages = [
        {"_id": f"p{n}", "title": _thing(n).title(), "text": " ".join(f"{_said(rng, n)}." for _ in range(3))}
        for n in range(_DOCUMENTS)
    ]
    _beir(folder / "clapnq", passages, rng)
    verbs = [f"{_VERBS[n % len(_VERBS)]}_{_thing(n)}" for n in range(_DOCUMENTS)]
    functions = [
        {"_id": str(n), "title": "", "text": f"def {verb}(value):\n    return value + {n}"}
        for n, verb in enumerate(verbs)
    ]
    _beir(folder / "cosqa", functions, rng)
    docstrings = [{"_id": str(n), "docstring": f"{_said(rng, n).capitalize()}."} for n in range(_DOCUMENTS)]
    _lines(folder / "cosqa" / "docstrings.jsonl", docstrings)
    questions = [
        {"text": f"how do I {_said(rng, n)}?", "category": f"intent {n % _INTENTS}"}
        for n in range(_INTENTS * _QUESTIONS)
    ]
    _table(folder / "banking77" / "train.csv", questions, ",")
    log = [
        {"Date": f"2020-01-{23 + day}", "Query": _said(rng, day + n), "PopularityScore": n % 5 + 1}
        for day, n in product(range(_DAYS), range(_QUERIES_A_DAY))
    ]
    _table(folder / "bing_covid" / "queries.tsv", log, "\t")


def _thing(number: int) -> str:
    return _THINGS[number % len(_THINGS)]


def _said(rng: np.random.Generator, number: int) -> str:
    """Return a sentence of eight words about one of the things."""
    quality, other = rng.choice(_QUALITIES, 2)
    verb, thing = rng.choice(_VERBS), rng.choice(_THINGS)
    return f"the {quality} {_thing(number)} {verb} the {other} {thing} {number}"


def _beir(folder: Path, corpus: list[dict[str, str]], rng: np.random.Generator) -> None:
    _lines(folder / "corpus.jsonl", corpus)
    _lines(folder / "queries.jsonl", [{"_id": f"q{n}", "text": _said(rng, n)} for n in range(_QUERIES)])
    unlabelled = [{"_id": f"u{n}", "text": _said(rng, 100 + n)} for n in range(_UNLABELLED)]
    _lines(folder / "unlabelled_queries.jsonl", unlabelled)
    judged = [{"query-id": f"q{n}", "corpus-id": corpus[n % len(corpus)]["_id"], "score": 1} for n in range(_QUERIES)]
    _table(folder / "qrels" / "test.tsv", judged, "\t")


def _lines(file: Path, rows: list[dict[str, str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _table(file: Path, rows: list[dict[str, object]] | list[dict[str, str]], delimiter: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
