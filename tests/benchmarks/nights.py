"""`make bench-nights DATA=PATH`: what carrying the pool from night to night is worth.

Seven nights of the product's own steps, on traffic that stands still, in three ways: as it is (`carried`), with nothing
carried (`pool.nights: 0`), and all batches in one night. Real are the steps `ingest`, `carry`, `sample`, `generate`
(with the embedded writer), `screen` and `align`; vectors come from the product's encoder in this process instead of
Spark, and the traffic is ingested once. Retrievers are the product's `static` ones, with the weights *aligned* and the
mass 2, judged on the test queries of the run.

Afterwards the Bing log day by day, judged on the next day's queries. It names no documents: every distinct query seen
so far stands for the document that was found by it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from synalign.config import Configuration, Encoder
from synalign.evaluation import material
from synalign.evaluation.comparison import Resampled
from synalign.evaluation.trial import _with
from synalign.retriever.collection import Pairs
from synalign.retriever.measures import measure
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train
from synalign.run import Attempt, Interval, Run, manifests
from synalign.steps import align, carry, generate, sample, screen
from synalign.steps.job import perform
from synalign.storage import Place
from synalign.tables import content_id
from synalign.text.normal import document_text
from tests.benchmarks.datasets import kept_folder

FIRST = datetime(2026, 3, 1, tzinfo=UTC)
MASS = 2.0
STATIC = (200, 96)
"""Steps and batch size of the static retriever, as in `tests.benchmarks.effectiveness`."""

_VECTORS: dict[str, NDArray[np.float32]] = {}


class Way(NamedTuple):
    """A way to spend the tokens.

    Attributes:
        name: Of the way.
        settings: What differs from the defaults.
        nights: How many.
    """

    name: str
    settings: dict[str, Any]
    nights: int


def ways(nights: int, batches: int) -> tuple[Way, ...]:
    """Return the ways that are compared."""
    return (
        Way("carried", {}, nights),
        Way("carried, unexplored", {"pool": {"explored": False}}, nights),
        Way("nothing carried", {"pool": {"nights": 0}}, nights),
        Way("one night", {"pool": {"nights": 0}, "sampling": {"batches": nights * batches}}, 1),
    )


def configuration(name: str, source: dict[str, Any], settings: dict[str, Any], batches: int) -> Configuration:
    """Return a retriever's configuration: defaults, but for what is given."""
    content: dict[str, Any] = {
        "retriever": name,
        "schedule": {"start": "2020-01-01"},
        "source": source,
        "sampling": {"batches": batches},
        "encoder": {"precision": "float32"},
        "generation": {"redact": ["email", "phone", "card", "ip", "digits"]},
    }
    for section, values in settings.items():
        content[section] = {**content.get(section, {}), **values}
    return Configuration.model_validate(content)


def night(run: Run, ingested: Run | None) -> dict[str, Any]:
    """Do one night up to the weights, and return its figures.

    Args:
        run: The run.
        ingested: A run whose ingested tables are this one's, too; None: ingest anew.
    """
    from synalign.steps import ingest

    started = time.monotonic()
    if ingested is None:
        perform(run, "ingest", ingest.ingest, getattr(ingest, "outside", lambda run: {})(run))
    else:
        _copy(ingested, run)
    perform(run, "carry", carry.carry, carry.outside(run))
    perform(run, "embed", _embed)
    perform(run, "sample", sample.sample, sample.outside(run))
    perform(run, "generate", generate.generate, generate.outside(run))
    perform(run, "embed_candidates", _embed)
    perform(run, "screen", screen.screen)
    perform(run, "align", align.align)
    return {**_figures(run), "seconds": round(time.monotonic() - started, 1)}


def _figures(run: Run) -> dict[str, Any]:
    metrics = {step: run.require(step)["metrics"] for step in ("carry", "sample", "generate", "screen", "align")}
    weighed = metrics["align"]
    return {
        "tokens": metrics["generate"]["tokens_in"] + metrics["generate"]["tokens_out"],
        "batches": metrics["sample"]["batches"],
        "gains": [metrics["sample"]["first_gain"], metrics["sample"]["last_gain"]],
        "carried": metrics["screen"]["carried"]["accepted"],
        "left": metrics["carry"]["left"],
        "candidates": weighed["synthetic"],
        "documents": weighed["documents"],
        "mmd2": [weighed.get("mmd2_held_out_before"), weighed.get("mmd2_held_out_after")],
        "ess": weighed["effective_sample_size"],
    }


def _copy(ingested: Run, run: Run) -> None:
    """Let a run have another's ingested tables, as if it had ingested the same log itself."""
    source, target = Path(str(ingested.folder / "ingest")), Path(str(run.folder / "ingest"))
    manifest = json.loads((source / manifests.NAME).read_text())
    manifest["fingerprint"] = run.fingerprint("ingest")
    shutil.copytree(source / manifest["attempt"], target / manifest["attempt"], dirs_exist_ok=True)
    for place in (target, target / manifest["attempt"]):
        (place / manifests.NAME).write_text(json.dumps(manifest))


def _embed(attempt: Attempt) -> None:
    """Do what the steps `embed` and `embed_candidates` do, in this process."""
    texts = {
        "query_embeddings": ("queries", "query_id"),
        "document_embeddings": ("documents", "document_id"),
        "carried_embeddings": ("carried", "candidate_id"),
        "candidate_embeddings": ("candidates", "candidate_id"),
    }
    for target in attempt.step.writes:
        table, key = texts[target]
        rows = attempt.run.read(table)
        if table == "documents":
            pairs = zip(rows["title"].to_pylist(), rows["text"].to_pylist(), strict=True)
            found = [document_text(title, text) for title, text in pairs]
        else:
            found = rows["query"].to_pylist()
        vectors = _encoded(found, attempt.configuration.encoder)
        attempt.write(target, pa.table({"id": rows[key], "embedding": pa.array(list(vectors), pa.list_(pa.float32()))}))


def _encoded(texts: list[str], settings: Encoder) -> NDArray[np.float32]:
    from synalign.embedding.encoder import encode

    folder = kept_folder() / "nights-vectors"
    folder.mkdir(exist_ok=True)
    if not _VECTORS:
        for file in sorted(folder.glob("*.npz")):
            kept = np.load(file)
            _VECTORS.update(zip(kept["ids"].tolist(), kept["vectors"], strict=True))
    ids = [content_id(text) for text in texts]
    new = dict(
        zip(
            [id for id in ids if id not in _VECTORS],
            [t for id, t in zip(ids, texts, strict=True) if id not in _VECTORS],
            strict=True,
        )
    )
    if new:
        vectors = encode(list(new.values()), settings)
        _VECTORS.update(zip(new, vectors, strict=True))
        np.savez(folder / f"{content_id(*new)}-{os.getpid()}.npz", ids=np.array(list(new)), vectors=vectors)
    return np.stack([_VECTORS[id] for id in ids]) if ids else np.empty((0, 384), np.float32)


def spend(
    base: Path, name: str, source: dict[str, Any], way: Way, batches: int
) -> Iterator[tuple[Run, dict[str, Any]]]:
    """Do a way's nights, and yield each night's run and figures."""
    settings = configuration(name, source, way.settings, batches)
    first = Run(configuration(name, source, {}, batches), _interval(0), Place(base / "ingested"))
    if first.manifest("ingest") is None:
        from synalign.steps import ingest

        perform(first, "ingest", ingest.ingest, getattr(ingest, "outside", lambda run: {})(first))
    for number in range(way.nights):
        run = Run(settings, _interval(number), Place(base / way.name.replace(", ", "-").replace(" ", "-")))
        yield run, {"way": way.name, "night": number + 1, **night(run, first)}


def _interval(number: int) -> Interval:
    return Interval(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def scores(run: Run, labelled: int | None, seeds: int, *, with_written: bool) -> NDArray[np.float64]:
    """Train static retrievers on real pairs and, if asked for, the aligned pool, and judge them on test queries.

    Args:
        run: A night.
        labelled: How many real train pairs, evenly spaced; None: all.
        seeds: Trainings.
        with_written: Whether to train on the pool as well.

    Returns:
        (s, q) nDCG@10.
    """
    made_of = material.read(run)
    real = made_of.real
    if labelled is not None and labelled < len(real.query):
        rows = np.random.default_rng(0).permutation(len(real.query))[:labelled]
        rows.sort()
        real = Pairs(real.query[rows], real.document[rows], real.weight[rows])
    weights = np.zeros(len(made_of.pool.accepted))
    if with_written:
        weights[made_of.pool.accepted] = made_of.pool.weights["aligned"] * MASS * len(real.query)
    pairs, found = _with(real, made_of.written, weights), []
    for seed in range(seeds):
        recipe = Recipe("static", *STATIC, seed=seed, encoder=run.configuration.encoder)
        trained = train(made_of.collection, pairs, made_of.judged["validation"].pairs, recipe)
        judged = made_of.judged["test"]
        found.append(measure(trained.rank(judged.places, 10), judged.relevant, ["ndcg_at_10"])["ndcg_at_10"])
    return np.stack(found)


def still(
    data: Path, name: str, base: Path, nights: int, batches: int, seeds: int, trained: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Measure a collection whose traffic stands still."""
    source = {"kind": "beir", "path": str(data / name)}
    rows, judged = [], dict[str, NDArray[np.float64]]()
    for way in ways(nights, batches):
        for run, figures in spend(base / name, name, source, way, batches):
            rows.append({"collection": name, **figures})
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            if seeds and (figures["night"] in trained or way.nights == 1):
                for labelled in (100, None):
                    control = judged.setdefault(f"{labelled}", scores(run, labelled, seeds, with_written=False))
                    found = scores(run, labelled, seeds, with_written=True)
                    both = Resampled({"control": control, "ours": found})
                    cell = {"labelled": labelled or "all", **both.compare("ours", "control")._asdict()}
                    cell["control"] = float(control.mean())
                    rows[-1].setdefault("retriever", []).append(cell)
                    np.save(base / name / f"{way.name}-{figures['night']}-{labelled}.npy", found)
                    print(json.dumps({"way": way.name, "night": figures["night"], **cell}), file=sys.stderr, flush=True)
    return rows


def main(argv: list[str] | None = None) -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of public data sets")
    parser.add_argument("--names", nargs="+", default=["clapnq", "cosqa"])
    parser.add_argument("--nights", type=int, default=7)
    parser.add_argument("--batches", type=int, default=24)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--trained", type=int, nargs="+", default=[1, 4, 7])
    parser.add_argument("--output", type=Path, default=kept_folder() / "nights.jsonl")
    arguments = parser.parse_args(argv)
    base = kept_folder() / "nights"
    rows = []
    for name in arguments.names:
        rows += still(
            arguments.data, name, base, arguments.nights, arguments.batches, arguments.seeds, tuple(arguments.trained)
        )
    arguments.output.write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main()
