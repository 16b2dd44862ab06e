"""Embedding: the lean loop against sentence-transformers, in Spark against bare processes, and the cache's second day.

Rates are items per CPU-second of all processes that take part (Spark's JVM too), each engine in turn in the same
minutes, medians of the rounds: on a busy machine a wall clock measures the neighbours. Every engine has loaded its
model and embedded something before it is timed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache as cache_function
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from synalign import tables
from synalign.config import Encoder
from synalign.embedding import cache, encoder
from synalign.spark import session as spark
from synalign.spark.tables import write_table
from synalign.steps.embed import Shown, Store, embedded
from synalign.storage import Place
from tests.benchmarks.datasets import banking_queries, beir_queries, bing_log, corpus, kept_folder
from tests.benchmarks.made_data import data_folder
from tests.benchmarks.measurement import Measurement, Size, add_size, show
from tests.benchmarks.processes import Child, child, tree_cpu_seconds

MODULE = "tests.benchmarks.embedding"
FLOAT32 = Encoder(precision="float32")


class Plan(NamedTuple):
    """How much is embedded.

    Attributes:
        judged: Queries whose accuracy is judged.
        queries: Queries of the lean loop.
        passages: Passages of the lean loop; none for the smoke form.
        in_spark: Queries of the step.
        processes: Processes of the lean loop.
        rivals: Processes of what it is compared with; none: this process does it, which spares an import of torch.
        rounds: Of which the median counts.
    """

    judged: int
    queries: int
    passages: int
    in_spark: int
    processes: int = 2
    rivals: int = 2
    rounds: int = 3


PLANS: dict[Size, Plan] = {
    "smoke": Plan(20, 70, 0, 80, processes=1, rivals=0, rounds=1),
    "quick": Plan(200, 600, 60, 2_000),
    "full": Plan(1_000, 2_000, 120, 14_000),
}


class Rate(NamedTuple):
    """Items per second of CPU and of the wall clock."""

    cpu: float
    wall: float


def embedding_lines(data: Path, form: Size) -> Iterator[Measurement]:
    """Every line of the embedding; needs `clapnq`, `cosqa`, `banking77` and `bing_covid` in the folder of data sets."""
    queries = beir_queries(data / "clapnq") + beir_queries(data / "cosqa") + banking_queries(data / "banking77")[0]
    plan = PLANS[form]
    order = np.random.default_rng(0).permutation(len(queries))
    queries = [queries[row] for row in order]
    passages = list(corpus(data / "clapnq").values())[: plan.passages or 5]
    yield from accuracy_lines(queries[: plan.judged], passages[:40])
    yield lean_line("queries", queries[: plan.queries], plan)
    if plan.passages:
        yield lean_line("passages", passages, plan)
    yield spark_line(queries[: plan.in_spark], plan)
    yield second_day_line(data)


def accuracy_lines(queries: list[str], passages: list[str]) -> Iterator[Measurement]:
    """Cosines of the lean loop to sentence-transformers in float32, with weights of either precision."""
    texts = queries + passages
    reference = _sentence_transformers()(texts)
    for precision, goal, least in (("float32", 0.999999, 0.999999), ("bfloat16", 0.9999, 0.9995)):
        found = encoder.encode(texts, Encoder(precision=precision))
        cosines = np.sum(found.astype(np.float64) * reference, axis=1)
        alone = np.concatenate([encoder.encode([text], Encoder(precision=precision)) for text in texts[:50]])
        alike = int((alone == found[:50]).all(axis=1).sum())
        yield Measurement(
            f"embedding accuracy, {precision}", f"{len(queries)} queries, {len(passages)} passages",
            float(cosines.mean()), 1.0, "sentence-transformers float32", "mean cosine", float(cosines.min()),
            f"mean >= {goal}, min >= {least}", bool(cosines.mean() >= goal and cosines.min() >= least),
            accuracy=f"min {cosines.min():.6f}; {alike}/50 bytes alike alone and in batches",
        )  # fmt: skip


def lean_line(name: str, texts: list[str], plan: Plan) -> Measurement:
    """Processes of the lean loop against as many of plain float32 sentence-transformers."""
    count = plan.processes
    with _processes("lean", texts, count) as lean, _processes("sentence-transformers", texts, plan.rivals) as rival:
        ours, theirs = _medians([(lean(), rival()) for _ in range(plan.rounds)])
    precision = encoder.plan(Encoder()).precision
    ratio = ours.cpu / theirs.cpu
    return Measurement(
        f"embedding, lean loop, {precision}", f"{len(texts)} {name}, {count} processes", ours.cpu, theirs.cpu,
        "sentence-transformers float32, batch 32", "items / CPU s", ratio,
        ">= 2.7" if precision == "bfloat16" else ">= 2.7 with bfloat16 instructions, which this CPU lacks",
        ratio >= 2.7, accuracy=f"wall: {ours.wall:.0f} and {theirs.wall:.0f} items/s",
    )  # fmt: skip


def spark_line(texts: list[str], plan: Plan) -> Measurement:
    """The whole work of the embed step in a warm Spark against bare processes of the lean loop, files written."""
    with (
        tempfile.TemporaryDirectory(dir=kept_folder()) as place,
        _processes("lean", texts, plan.rivals) as bare,
        spark.session("synalign benchmark") as session,
    ):
        source = Path(place) / "source"
        _write(source, texts)

        _write(Path(place) / "some", texts[:1000])
        _step(session, Path(place) / "some", Path(place) / "warm", Encoder())

        def once(name: str) -> Rate:
            return _rate(len(texts), lambda: _step(session, source, Path(place) / name, Encoder()))

        rounds = [(once(f"round {turn}"), bare()) for turn in range(plan.rounds)]
    ours, theirs = _medians(rounds)
    ratio = ours.cpu / theirs.cpu
    return Measurement(
        "embedding, Spark, cold cache", f"{len(texts)} queries, local[2]", ours.cpu, theirs.cpu,
        f"{plan.rivals} bare processes of the same loop", "items / CPU s", ratio, ">= 0.9", ratio >= 0.9,
        accuracy=f"wall: {ours.wall:.0f} and {theirs.wall:.0f} items/s",
    )  # fmt: skip


def second_day_line(data: Path) -> Measurement:
    """The Bing log in a growing window: on its second day, only queries not seen before are embedded."""
    log = bing_log(data / "bing_covid")
    days = sorted(set(log["day"]))
    first, second = (sorted(set(log[log["day"] <= day]["query"])) for day in days[-2:])
    with tempfile.TemporaryDirectory(dir=kept_folder()) as place, spark.session("synalign benchmark") as session:
        home = Path(place)
        _write(home / "first", first)
        _write(home / "second", second)
        _step(session, home / "first", home / "kept", FLOAT32)
        warm = time.perf_counter()
        figures = _step(session, home / "second", home / "kept", FLOAT32, "day two")
        warm = time.perf_counter() - warm
        cold = time.perf_counter()
        _step(session, home / "second", home / "fresh", FLOAT32)
        cold = time.perf_counter() - cold
        alike = _bytes(home / "kept" / "day two") == _bytes(home / "fresh" / "table")
    unseen = len(set(second) - set(first))
    return Measurement(
        "embedding, second day with cache", f"bing_covid to {days[-1]}, {len(second)} queries",
        figures["embedded"], len(second), "no cache", "texts embedded", len(second) / max(1, figures["embedded"]),
        "embedded == unseen, same bytes", figures["embedded"] == unseen and alike,
        accuracy=f"{unseen} unseen; {warm:.1f} s and {cold:.1f} s; tables {'' if alike else 'not '}byte-identical",
    )  # fmt: skip


def _step(session: Any, source: Path, place: Path, settings: Encoder, name: str = "table") -> dict[str, int]:
    settings = settings.model_copy(update={"precision": encoder.plan(settings).precision})
    frame = session.read.parquet(str(source))
    home = Place(place)
    vectors, figures = embedded(frame, settings, Store(home / "cache", {}), Shown("embed", home / "progress"))
    write_table(vectors, home / name, "query_embeddings", rows=figures["distinct_texts"])
    return figures


def _write(place: Path, texts: list[str]) -> None:
    place.mkdir()
    content = pa.table({"id": [tables.content_id(text) for text in texts], "text": texts})
    pq.write_table(content, place / "part-00000.parquet")


def _bytes(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob("*.parquet"))]


def _medians(rounds: list[tuple[Rate, Rate]]) -> tuple[Rate, Rate]:
    ours, theirs = (Rate(*map(median, zip(*side, strict=True))) for side in zip(*rounds, strict=True))
    return ours, theirs


@contextmanager
def _processes(engine: str, texts: list[str], count: int) -> Iterator[Callable[[], Rate]]:
    """Processes that share the texts and embed them all whenever asked; stopped in the end. None: this one does."""
    environment = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=kept_folder())))
        if count == 0:
            embed = _loop(engine, texts, place / "cache")
            yield lambda: Rate(*(len(texts) / seconds for seconds in embed()))
            return
        running = []
        for part in range(count):
            share = place / f"{part}.json"
            share.write_text(json.dumps(texts[part::count]))
            arguments = ("--serve", engine, str(share))
            running.append(stack.enter_context(child(MODULE, *arguments, environment=environment)))
        for process in running:
            process.line()
        yield lambda: _ask(running, len(texts))


def _ask(running: list[Child], items: int) -> Rate:
    for process in running:
        process.say("go")
    spent = [json.loads(process.line()) for process in running]
    return Rate(items / sum(cpu for cpu, _ in spent), items / max(wall for _, wall in spent))


def _serve(engine: str, share: Path) -> None:
    """Embed a share of the texts for each line that comes in, and print CPU and wall seconds."""
    embed = _loop(engine, json.loads(share.read_text()), share.with_suffix(""))
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(embed()), flush=True)


def _loop(engine: str, texts: list[str], folder: Path) -> Callable[[], tuple[float, float]]:
    """Load an engine; gives a function that embeds the texts, writes them, and says CPU and wall seconds."""
    rival = engine == "sentence-transformers"
    loop = _sentence_transformers() if rival else lambda batch: encoder.encode(batch, Encoder())
    loop(texts[:64])
    ids = [tables.content_id(text) for text in texts]

    def embed() -> tuple[float, float]:
        cpu, wall = time.process_time(), time.perf_counter()
        vectors = loop(texts)
        content = pa.table({"text_id": ids, "embedding": pa.array(list(vectors), pa.list_(pa.float32()))})
        cache.add(Place(folder), content, {})
        return time.process_time() - cpu, time.perf_counter() - wall

    return embed


@cache_function
def _sentence_transformers() -> Callable[[list[str]], Any]:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(str(encoder.model_folder(encoder.EMBEDDED_MODEL)), device="cpu")
    model.max_seq_length = FLOAT32.max_tokens
    return lambda texts: model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def _rate(items: int, work: Callable[[], Any]) -> Rate:
    """Measure work of this process, its Spark and the workers of that."""
    cpu, wall = tree_cpu_seconds(), time.perf_counter()
    work()
    return Rate(items / (tree_cpu_seconds() - cpu), items / (time.perf_counter() - wall))


def main(argv: list[str] | None = None) -> None:
    """Measure the embedding alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets")
    add_size(parser, quick="small sizes")
    parser.add_argument("--output", type=Path, default=kept_folder() / "embedding.json")
    parser.add_argument("--serve", nargs=2, metavar=("ENGINE", "TEXTS"), help="be one of the processes measured")
    arguments = parser.parse_args(argv)
    if arguments.serve:
        _serve(arguments.serve[0], Path(arguments.serve[1]))
        return
    with data_folder(arguments.data, arguments.size) as data:
        if data is None:
            parser.error("--data is needed")
        show(embedding_lines(data, arguments.size), arguments.output)


if __name__ == "__main__":
    main()
