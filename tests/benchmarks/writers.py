"""`make bench-writers DATA=PATH [MODELS="a.gguf b.gguf"]`: what language models make of the prompts.

Each writer writes for the same documents of a collection, asked in several ways: with the wording and the schemas of
before families of prompts (`writers_before/`); as its family of prompts asks, with and without shots, with and without
a request for latent attributes; and as the family for capable models asks. Steps are the product's own, from *sample*
to *align*; retrievers are the product's `static` ones, trained on few real pairs alone, or with what was written: all
of it, what screens accepted with equal weights, and aligned.

Lines that are done are kept in a file under the benchmarks' home: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.table import Table

from synalign.config.generation import BUILT_IN_MODEL, EMBEDDED_WRITER
from synalign.errors import GenerationError
from synalign.evaluation import material
from synalign.evaluation.arms import arms
from synalign.evaluation.comparison import Comparison, Resampled
from synalign.generation.dialect import RECORD, Dialect
from synalign.generation.refusals import BOUNDS, Refusal
from synalign.prompts import templates
from synalign.retriever.measures import measure
from synalign.retriever.recipe import Recipe
from synalign.retriever.train import train
from synalign.run import Run
from synalign.screening.reasons import REASONS, ROUND_TRIP
from synalign.text.forms import form_of, length_of
from tests.benchmarks.datasets import kept_folder
from tests.benchmarks.effectiveness import MASS, joined
from tests.benchmarks.made_data import data_folder
from tests.benchmarks.measurement import add_size, console
from tests.benchmarks.nights import FIRST, Kept, _some
from tests.benchmarks.nights_steps import Way, night, run_of
from tests.benchmarks.nights_tables import beir

BEFORE = "before"
FAMILY = "family"
LARGE = "large"
WAYS = (BEFORE, FAMILY, LARGE, "family, no shots", "family, attributes")
ARMS = ("control", "unweighted", "equal", "aligned")
_FILES = Path(__file__).with_name("writers_before")


class Study(NamedTuple):
    """How much is done.

    Attributes:
        names: The collections.
        batches: Of 12 documents each.
        queries: For each document.
        labelled: Real train pairs that retrievers have.
        seeds: Trainings of every cell.
        recipe: Steps and batch size of the static retriever, as in `tests.benchmarks.effectiveness`.
        writers: By name, the model.
        ways: How each is asked.
    """

    names: tuple[str, ...]
    batches: int
    queries: int
    labelled: int
    seeds: int
    recipe: tuple[int, int]
    writers: dict[str, str]
    ways: tuple[str, ...] = WAYS

    @property
    def made_with(self) -> str:
        """Tell results of other sizes apart."""
        return f"{self.batches}x12x{self.queries}-{self.labelled}-{self.recipe}"


def main(argv: list[str] | None = None) -> None:
    """Read the command line, do what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets")
    parser.add_argument("--models", nargs="*", type=Path, default=[], help="GGUF files to measure as well")
    parser.add_argument("--collections", nargs="*", default=["clapnq", "cosqa"], help="those that are done")
    parser.add_argument("--documents", type=int, default=300, help="written for in each collection (default: 300)")
    add_size(parser)
    parser.add_argument("--report", action="store_true", help="only print what is there")
    parser.add_argument("--output", type=Path, default=kept_folder() / "writers.jsonl")
    arguments = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    small = arguments.size == "smoke"
    models = {BUILT_IN_MODEL: BUILT_IN_MODEL, **{path.stem: str(path.resolve()) for path in arguments.models}}
    writers = {"embedded": EMBEDDED_WRITER} | ({} if small else models)
    study = (
        Study(("clapnq",), 1, 1, 8, 1, (2, 8), writers)
        if small
        else Study(tuple(arguments.collections), -(-arguments.documents // 12), 2, 100, 3, (200, 96), writers)
    )
    kept = Kept(arguments.output, study.made_with)
    with data_folder(arguments.data, arguments.size) as data:
        if not arguments.report:
            if data is None:
                parser.error("--data is needed")
            for name in study.names:
                for writer in study.writers:
                    for way in study.ways:
                        if writer != "embedded" or way in (BEFORE, FAMILY):
                            _do(study, data / name, writer, way, kept)
    _print(list(kept.rows.values()), study)


def _do(study: Study, folder: Path, writer: str, way: str, kept: Kept) -> None:
    """Let a writer write, and train retrievers on that, as far as it is not done."""
    named = {"collection": folder.name, "way": f"{writer}: {way}"}
    cells = [(arm, seed) for arm in ARMS for seed in range(study.seeds)]
    missing = [cell for cell in cells if not kept.has(kind="training", **_cell(named, *cell))]
    if kept.has(kind="writer", **named) and not missing:
        return
    settings = {"generation": _generation(study, folder.name, writer, way), "pool": {"nights": 0}}
    settings["runtime"] = {"timeout_seconds": 1800}
    base = kept_folder() / f"writers-{study.made_with}" / folder.name
    asked = Way(f"{writer} {way}", settings)
    run = run_of(base, folder.name, {"kind": "beir", "path": str(folder)}, asked, FIRST, study.batches)
    if way == BEFORE:
        run = _as_before(run, base, base / asked.folder)
    if kept.has(kind="failed", **named):
        return
    try:
        figures = night(run, beir(folder, FIRST))
    except GenerationError as error:
        # Nothing that it wrote can be used, and the same would come of it again.
        kept.add({"kind": "failed", **named, "error": str(error)})
        return
    if not kept.has(kind="writer", **named):
        kept.add({"kind": "writer", **named, **_figures(run), "seconds": figures["seconds"]})
    judge = _judge(run, study)
    for arm, seed in missing:
        kept.add({"kind": "training", **_cell(named, arm, seed), "test": judge(arm, seed)})


def _cell(named: dict[str, str], arm: str, seed: int) -> dict[str, Any]:
    return {**named, "night": 0, "labelled": arm, "seed": seed}


def _generation(study: Study, collection: str, writer: str, way: str) -> dict[str, Any]:
    """Return the settings of a writer that is asked in a way."""
    prompts: dict[str, Any] = {"family": "code" if collection == "cosqa" else "small"}
    if writer == "embedded" or way in (BEFORE, LARGE):
        # The writer that is no model understands this family only.
        prompts["family"] = "large"
    if way == BEFORE:
        prompts |= {kind: str(_FILES / f"{kind}.txt") for kind in templates.WRITING}
    if way.endswith("attributes"):
        prompts["attributes"] = True
    if way.endswith("no shots"):
        prompts["shots"] = 0
    of_model = {} if writer == "embedded" else {"endpoint": "local", "context_tokens": 8192, "max_output_tokens": 1024}
    return {
        "model": study.writers[writer], "queries_per_document": study.queries, "prompts": prompts,
        "redact": ["email", "phone", "card", "ip", "digits"], **of_model,
    }  # fmt: skip


def _as_before(run: Run, base: Path, folder: Path) -> Run:
    """Let a run send schemas without bounds, and read the wording of before."""
    texts = templates.read_all(run.configuration, base)
    run = Run(run.configuration.with_templates(texts), run.interval, folder)
    Path(run.folder).mkdir(parents=True, exist_ok=True)
    dialect = Dialect(run.configuration, run.folder / RECORD)
    dialect.learn(Refusal((BOUNDS,)), {})
    dialect.close()
    return run


def _figures(run: Run) -> dict[str, Any]:
    """Return what was written, how it differs from what people ask, and what it cost."""
    generated, screened, weighed = (run.require(step)["metrics"] for step in ("generate", "screen", "align"))
    tokens = generated["tokens_in"] + generated["tokens_out"]
    rejected = screened["rejected"]
    queries = run.read("queries", ["query", "split"]).to_pylist()
    held_out = [row["query"] for row in queries if row["split"] != "train"]
    written = run.read("candidates", ["query"])["query"].to_pylist()
    names = list(REASONS)
    judged = screened["candidates"] - sum(rejected.get(name, 0) for name in names[: names.index(ROUND_TRIP)])
    return {
        "asked_for": generated["ledger"]["asked_for"],
        "candidates": screened["candidates"],
        "accepted": screened["accepted"],
        "round_trip": round(1 - rejected.get(ROUND_TRIP, 0) / judged, 4) if judged else None,
        "rejected": rejected,
        "distinct": len({text.casefold() for text in written}),
        "words": round(float(np.mean([len(text.split()) for text in written])), 1),
        "words_real": round(float(np.mean([len(text.split()) for text in held_out])), 1),
        "form_distance": _distance(form_of, written, held_out),
        "length_distance": _distance(length_of, written, held_out),
        "mmd2": [weighed.get("mmd2_held_out_before"), weighed.get("mmd2_held_out_after")],
        "tokens": tokens,
        "per_1000": round(1000 * screened["accepted"] / tokens, 3),
        "outcomes": generated["outcomes"],
    }


def _distance(fact: Callable[[str], str], written: Sequence[str], real: Sequence[str]) -> float:
    """Return the total variation distance of a fact's distributions among written and real queries."""
    ours, theirs = Counter(map(fact, written)), Counter(map(fact, real))
    return round(sum(abs(ours[key] / len(written) - theirs[key] / len(real)) for key in ours | theirs) / 2, 3)


def _judge(run: Run, study: Study) -> Callable[[str, int], list[float]]:
    """Return what trains an arm with a seed, and gives nDCG@10 of each test query."""
    read = material.read(run)
    real = _some(read.real, study.labelled)

    def judge(arm: str, seed: int) -> list[float]:
        weights = arms(read.pool, MASS * len(real.query), seed)[arm]
        recipe = Recipe("static", *study.recipe, seed=seed, encoder=run.configuration.encoder)
        trained = train(read.collection, joined(real, read.written, weights), read.judged["validation"].pairs, recipe)
        test = read.judged["test"]
        scores = measure(trained.rank(test.places, 10), test.relevant, ["ndcg_at_10"])["ndcg_at_10"]
        return [round(score, 6) for score in scores.tolist()]

    return judge


def _print(rows: list[dict[str, Any]], study: Study) -> None:
    """Print what there is."""
    out = console()
    names = (
        "collection", "writer: asked", "asked for", "written", "distinct", "round trip", "accepted", "/1,000 tokens",
        "words (real)", "form", "length", "MMD² x 1000 equal", "aligned", "s",
    )  # fmt: skip
    table = Table(*names, title="What was written")
    for row in (row for row in rows if row["kind"] == "writer"):
        before, after = (f"{1000 * value:.1f}" if value is not None else "" for value in row["mmd2"])
        trip = "" if row["round_trip"] is None else f"{row['round_trip']:.0%}"
        table.add_row(
            row["collection"], row["way"], f"{row['asked_for']:,}", f"{row['candidates']:,}", f"{row['distinct']:,}",
            trip, f"{row['accepted']:,}", f"{row['per_1000']:.2f}", f"{row['words']} ({row['words_real']})",
            f"{row['form_distance']:.2f}", f"{row['length_distance']:.2f}", before, after, f"{row['seconds']:,.0f}",
        )  # fmt: skip
    out.print(table)
    for row in (row for row in rows if row["kind"] == "failed"):
        out.print(f"{row['collection']}, {row['way']}: {row['error']}")
    gains = Table(
        "collection", "writer: asked", *ARMS[1:], title=f"nDCG@10 points over {study.labelled} real pairs alone"
    )
    for collection, way in dict.fromkeys((row["collection"], row["way"]) for row in rows if row["kind"] == "training"):
        found = {arm: _scores(rows, collection, way, arm) for arm in ARMS}
        if all(scores is not None for scores in found.values()):
            resampled = Resampled({arm: scores for arm, scores in found.items() if scores is not None})
            gains.add_row(collection, way, *(_said(resampled.compare(arm, "control")) for arm in ARMS[1:]))
    out.print(gains)


def _scores(rows: list[dict[str, Any]], collection: str, way: str, arm: str) -> Any:
    wanted = ("training", collection, way, arm)
    found = {
        row["seed"]: row["test"]
        for row in rows
        if (row["kind"], row["collection"], row["way"], row.get("labelled")) == wanted
    }
    return np.array([found[seed] for seed in sorted(found)]) if found else None


def _said(found: Comparison) -> str:
    return f"{100 * found.difference:+.1f} [{100 * found.lower:+.1f}, {100 * found.upper:+.1f}]"


if __name__ == "__main__":
    main()
