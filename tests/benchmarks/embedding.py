"""Embedding: the lean loop against sentence-transformers, in Spark against bare processes, and the cache's second day.

Rates are items per CPU-second of all processes that take part (Spark's JVM too), each engine in turn in the same
minutes, medians of the rounds: on a busy machine a wall clock measures the neighbours. Every engine has loaded its
model and embedded something before it is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import IO, Any, NamedTuple

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
from tests.benchmarks.datasets import banking_queries, beir_queries, bing_log, kept_folder
from tests.benchmarks.measurement import Measurement, show

FLOAT32 = Encoder(precision="float32")
PROCESSES = 2
ROUNDS = 3


class Rate(NamedTuple):
    """Items per second of CPU and of the wall clock."""

    cpu: float
    wall: float


def embedding_lines(data: Path, quick: bool) -> Iterator[Measurement]:
    """Every line of the embedding; needs `clapnq`, `cosqa`, `banking77` and `bing_covid` in the folder of data sets."""
    queries = beir_queries(data / "clapnq") + beir_queries(data / "cosqa") + banking_queries(data / "banking77")[0]
    order = np.random.default_rng(0).permutation(len(queries))
    queries = [queries[row] for row in order]
    with open(data / "clapnq" / "corpus.jsonl") as file:
        passages = [json.loads(line)["text"] for line, _ in zip(file, range(60 if quick else 120), strict=False)]
    yield from accuracy_lines(queries[: 200 if quick else 1000], passages[:40])
    for name, texts in (("queries", queries[: 600 if quick else 2000]), ("passages", passages)):
        yield lean_line(name, texts)
    yield spark_line(queries[: 2000 if quick else 14_000])
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


def lean_line(name: str, texts: list[str]) -> Measurement:
    """Two processes of the lean loop against two of plain float32 sentence-transformers."""
    with _processes("lean", texts) as lean, _processes("sentence-transformers", texts) as rival:
        ours, theirs = _in_turns(lean, rival)
    precision = encoder.plan(Encoder()).precision
    ratio = ours.cpu / theirs.cpu
    return Measurement(
        f"embedding, lean loop, {precision}", f"{len(texts)} {name}, 2 processes", ours.cpu, theirs.cpu,
        "sentence-transformers float32, batch 32", "items / CPU s", ratio,
        ">= 2.7" if precision == "bfloat16" else ">= 2.7 with bfloat16 instructions, which this CPU lacks",
        ratio >= 2.7, accuracy=f"wall: {ours.wall:.0f} and {theirs.wall:.0f} items/s",
    )  # fmt: skip


def spark_line(texts: list[str]) -> Measurement:
    """The whole work of the embed step in a warm Spark against two bare processes of the lean loop, files written."""
    with (
        tempfile.TemporaryDirectory(dir=kept_folder()) as place,
        _processes("lean", texts) as bare,
        spark.session("synalign benchmark") as session,
    ):
        source = Path(place) / "source"
        _write(source, texts)

        _write(Path(place) / "some", texts[:1000])
        _step(session, Path(place) / "some", Path(place) / "warm", Encoder())

        def once(name: str) -> Rate:
            return _rate(len(texts), os.getpid(), lambda: _step(session, source, Path(place) / name, Encoder()))

        rounds = [(once(f"round {turn}"), bare(turn)) for turn in range(ROUNDS)]
    ours, theirs = _medians(rounds)
    ratio = ours.cpu / theirs.cpu
    return Measurement(
        "embedding, Spark, cold cache", f"{len(texts)} queries, local[{PROCESSES}]", ours.cpu, theirs.cpu,
        "2 bare processes of the same loop", "items / CPU s", ratio, ">= 0.9", ratio >= 0.9,
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


def _in_turns(ours: Callable[[int], Rate], rival: Callable[[int], Rate]) -> tuple[Rate, Rate]:
    return _medians([(ours(turn), rival(turn)) for turn in range(ROUNDS)])


def _medians(rounds: list[tuple[Rate, Rate]]) -> tuple[Rate, Rate]:
    ours, theirs = (Rate(*map(median, zip(*side, strict=True))) for side in zip(*rounds, strict=True))
    return ours, theirs


@contextmanager
def _processes(engine: str, texts: list[str]) -> Iterator[Callable[[int], Rate]]:
    """Processes that share the texts and embed them all whenever asked; stopped in the end."""
    with tempfile.TemporaryDirectory(dir=kept_folder()) as place:
        running = []
        for part in range(PROCESSES):
            share = Path(place) / f"{part}.json"
            share.write_text(json.dumps(texts[part::PROCESSES]))
            command = [sys.executable, "-m", __spec__.name if __spec__ else __name__, "--serve", engine, str(share)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
            running.append(
                subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                    env=environment,
                )
            )
        try:
            for process in running:
                _line(process.stdout)
            yield lambda _: _ask(running, len(texts))
        finally:
            for process in running:
                process.kill()
                process.wait()


def _ask(running: list[subprocess.Popen[str]], items: int) -> Rate:
    for process in running:
        assert process.stdin is not None  # a pipe, as asked for
        process.stdin.write("go\n")
        process.stdin.flush()
    spent = [json.loads(_line(process.stdout)) for process in running]
    return Rate(items / sum(cpu for cpu, _ in spent), items / max(wall for _, wall in spent))


def _line(stream: IO[str] | None) -> str:
    line = stream.readline() if stream else ""
    if not line:
        raise RuntimeError("a process of the benchmark ended early")
    return line


def _serve(engine: str, share: Path) -> None:
    """What such a process does: embed its share for each line that comes in, say CPU and wall seconds."""
    texts = json.loads(share.read_text())
    loop = (
        _sentence_transformers()
        if engine == "sentence-transformers"
        else lambda batch: encoder.encode(batch, Encoder())
    )
    loop(texts[:64])
    print("ready", flush=True)
    ids = [tables.content_id(text) for text in texts]
    for _ in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        vectors = loop(texts)
        content = pa.table({"text_id": ids, "embedding": pa.array(list(vectors), pa.list_(pa.float32()))})
        cache.add(share.with_suffix(""), content, {})
        print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall]), flush=True)


def _sentence_transformers() -> Callable[[list[str]], Any]:
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(str(encoder.model_folder(encoder.EMBEDDED_MODEL)), device="cpu")
    model.max_seq_length = FLOAT32.max_tokens
    return lambda texts: model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)


def _rate(items: int, root: int, work: Callable[[], Any]) -> Rate:
    cpu, wall = _tree_seconds(root), time.perf_counter()
    work()
    return Rate(items / (_tree_seconds(root) - cpu), items / (time.perf_counter() - wall))


def _tree_seconds(root: int) -> float:
    """CPU seconds of this process's Spark and its workers: a process, its descendants, and those that ended."""
    parents, ticks = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        ticks[int(stat.parent.name)] = sum(map(int, fields[11:15]))
    family, found = [root], 0
    while family:
        process = family.pop()
        found += ticks.get(process, 0)
        family += [child for child, parent in parents.items() if parent == process]
    return found / os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure the embedding alone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of public data sets")
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument("--output", type=Path, default=kept_folder() / "embedding.json")
    parser.add_argument("--serve", nargs=2, metavar=("ENGINE", "TEXTS"), help="be one of the processes measured")
    arguments = parser.parse_args()
    if arguments.serve:
        _serve(arguments.serve[0], Path(arguments.serve[1]))
    elif arguments.data is None:
        parser.error("--data is needed")
    else:
        show(embedding_lines(arguments.data, arguments.quick), arguments.output)


if __name__ == "__main__":
    main()
