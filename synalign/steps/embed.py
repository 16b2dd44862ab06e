"""The steps *embed* and *embed_candidates*: tables with an id and a text in, unit vectors out, in Spark.

Each distinct text is embedded once, and not at all when the cache holds it: new vectors are written there first, and
the table is then read from there.

An encoder on this machine runs in Spark's tasks. An endpoint is asked by the driver: one process keeps the number of
requests in flight, the rate and the ceiling, which tasks on many machines could not, and the key stays there. It waits
for the network, so one process is enough.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from synalign.config import Encoder
from synalign.embedding import cache, encoder
from synalign.embedding.device import device
from synalign.embedding.prompts import Side
from synalign.embedding.readable import MOST_ALIKE, REMEDY, alike, read, refusal, told, too_many
from synalign.errors import EndpointError, InputError, SetupError
from synalign.progress import progress
from synalign.run import Attempt, Run
from synalign.spark.progress import tallied, tally, tasks
from synalign.spark.session import content_id, document_text, session
from synalign.spark.tables import read_table, write_table
from synalign.storage import Place
from synalign.tables import content_id as id_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from synalign.encoders.server import Server

log = logging.getLogger("synalign")

# Texts per task: enough that batches of one length fill up, few enough to spread a small table over the cores. A task
# adds one file to the cache, so a large table is cut into larger tasks, of at most one Arrow batch.
_TEXTS_PER_TASK = (2_000, 10_000)
_TASKS = 50

_TEXTS_AT_ONCE = 20_000
"""Texts whose requests to an endpoint are made together; their vectors are written as they come."""

_PROBE = "how do I descale a coffee machine"
"""A text whose vector is kept beside those of an endpoint: another one shows that another model answers."""

_SAME_MODEL = 0.98
"""Least cosine of two vectors of one text by one model: servers round, and quantise, in their own ways."""

_RECORD = "spending.jsonl"
"""What an endpoint was paid for a step's vectors, in the run's folder under the step's name."""


# Distinct texts of each table that are looked at; tokenizing them takes about a second.
_SAMPLE = {"queries": 5_000, "documents": 1_000, "candidates": 5_000, "carried": 5_000}


class _Source(NamedTuple):
    table: str
    id: str
    text: Column | str
    side: Side = "query"


class Store(NamedTuple):
    """Where vectors of one side are kept, and what its files say of their making."""

    folder: Place
    made_by: dict[str, str]
    side: Side = "query"


class Shown(NamedTuple):
    """How progress is shown.

    Attributes:
        step: The step's name.
        folder: Where tasks say how far they are; shared with them, and removed at the end.
    """

    step: str
    folder: Place


def _sources() -> dict[str, _Source]:
    """Say which table's ids and texts each table of embeddings is made from."""
    return {
        "query_embeddings": _Source("queries", "query_id", "query"),
        "document_embeddings": _Source("documents", "document_id", document_text(), "document"),
        "carried_embeddings": _Source("carried", "candidate_id", "query"),
        "candidate_embeddings": _Source("candidates", "candidate_id", "query"),
    }


def outside(run: Run) -> dict[str, str]:
    """Return the digests of the model's own prompts where they are used: see `synalign.steps.job.main`."""
    settings = run.configuration.encoder
    try:
        found = _prompts(settings)
    except SetupError:
        # Where the step has to run, it says what is missing.
        return {}
    return {
        name: hashlib.sha256(prompt.encode()).hexdigest()
        for name, prompt in found.items()
        if getattr(settings, name) is None
    }


def _prompts(settings: Encoder) -> dict[str, str]:
    """Return the prompts in force that are not empty, by the name of their setting."""
    return {f"{side}_prompt": prompt for side, prompt in encoder.prompts(settings)._asdict().items() if prompt}


def embed(attempt: Attempt) -> None:
    """Write every table of embeddings that the attempt's step promises.

    Real queries and documents that the encoder cannot read end the step, before anything is asked of a language model;
    written queries do not: they are paid for, and `screen` rejects those alone.

    Raises:
        SetupError: The encoder is missing or not the published one, a prompt leaves no room for a text, or
            PyTorch sees no GPU where one is asked for.
        ConfigurationError: The key of an endpoint is not set.
        GenerationError: An endpoint cannot be used, or is another model than before.
        InputError: It cannot read the texts.
    """
    # What the driver found holds for every worker.
    settings = encoder.resolved(attempt.configuration.encoder)
    encoder.check_room(settings)
    plan = encoder.plan(settings)
    if plan.obstacle:
        words = "%s runs through SentenceTransformer.encode in %s: %s"
        log.info(words, settings.model, plan.precision, plan.obstacle)
    made_by = {"model": settings.model, "revision": encoder.revision_of(settings), "precision": plan.precision}
    attempt.metrics.update({**made_by, "loop": plan.loop, **_prompts(settings)})
    kept = attempt.configuration.runtime.embedding_cache
    # Without a cache, vectors take the same way through a folder that goes with the attempt.
    aside = attempt.folder / ".vectors"
    shown = Shown(attempt.step.name, attempt.folder / ".progress")
    name = f"synalign {attempt.step.name} {attempt.configuration.retriever}"
    with _server(attempt) as server, session(name) as spark:
        # On a cluster the executors need a GPU, the driver does not.
        if server is None and spark.sparkContext.master.startswith("local"):
            device(settings)
        for target in attempt.step.writes:
            source = _sources()[target]
            prompt = encoder.prompts(settings).of(source.side)
            made = {**made_by, "prompt": prompt} if prompt else made_by
            folder = (cache.root() if kept else aside) / encoder.identity(settings, source.side)
            store = Store(folder, made, source.side)
            texts = _read(spark, attempt.run, source)
            must_fit = source.table in ("queries", "documents")
            attempt.metrics.update(_look(texts, source, settings, must_fit))
            vectors, figures = embedded(texts, settings, store, shown, server)
            # Long documents may well begin alike, up to where they are cut.
            if source.table == "queries" and too_many(figures["alike"], figures["embedded"], MOST_ALIKE):
                raise InputError(
                    f"encoder.model == {settings.model!r}, gives {figures['alike']:,} of {figures['embedded']:,} "
                    "distinct queries the vector of another.",
                    cause="the encoder cannot read them, or its weights are damaged",
                    remedy=REMEDY,
                )
            rows = attempt.run.rows(source.table)
            with tasks(spark, attempt.step.name, f"writing {target}"):
                write_table(vectors, attempt.output(target), target, rows=rows, metadata=made)
            attempt.metrics.update({f"{target}_{name}": value for name, value in figures.items()})
            words = ", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in figures.items())
            log.info("%s: %s", target, words)
        if server is not None:
            attempt.metrics["tokens"] = server.tokens
    aside.remove()


def _server(attempt: Attempt) -> AbstractContextManager[Server | None]:
    """Return the endpoint that embeds, or nothing where the encoder runs here."""
    if attempt.configuration.encoder.endpoint is None:
        return nullcontext()
    # Its client takes a second to import.
    from synalign.encoders.server import Server

    return Server(attempt.configuration, attempt.run.folder / f"{attempt.step.name}_{_RECORD}")


def _look(texts: DataFrame, source: _Source, settings: Encoder, must_fit: bool) -> dict[str, float]:
    """Measure on a sample of the distinct texts what the encoder makes of them.

    The sample are those of the lowest ids: as good as drawn by lot, and the same ones each time.

    Raises:
        InputError: They must fit and do not.
    """
    keyed = texts.select("text", content_id("text").alias("text_id")).dropDuplicates(["text_id"])
    sample = [row["text"] for row in keyed.orderBy("text_id").limit(_SAMPLE[source.table]).collect()]
    found = read(sample, settings)
    if found is None or not sample:
        return {}
    if must_fit and not found.fits:
        raise refusal(source.table, settings, found)
    if warning := told(source.table, found):
        log.warning("%s", warning)
    return {
        f"{source.table}_unknown_tokens": round(found.unknown_share, 6),
        f"{source.table}_unreadable": round(found.unreadable_share, 6),
    }


def _read(spark: SparkSession, run: Run, source: _Source) -> DataFrame:
    text = F.col(source.text) if isinstance(source.text, str) else source.text
    return read_table(spark, run, source.table).select(F.col(source.id).alias("id"), text.alias("text"))


def embedded(
    frame: DataFrame, settings: Encoder, store: Store, shown: Shown, server: Server | None = None
) -> tuple[DataFrame, dict[str, int]]:
    """Return ids with their vectors, through the cache.

    Args:
        frame: Columns `id` and `text`, ids unique.
        settings: The encoder, its precision resolved.
        store: Where vectors are looked up and new ones go.
        shown: How progress is shown.
        server: The endpoint that embeds; None: the encoder runs in Spark's tasks.

    Returns:
        Columns `id` and `embedding`; and how many distinct texts there are, came from the cache, were embedded, and got
        the vector of another text on the way.
    """
    spark = frame.sparkSession
    keyed = frame.select("id", "text", content_id("text").alias("text_id"))
    texts = keyed.groupBy("text_id", "text").agg(F.collect_list("id").alias("ids"))
    known = cache.read(spark, store.folder).select("text_id", F.lit(True).alias("known")).distinct()
    # One pass says what is there and what is missing, and is kept for both uses.
    texts = texts.join(known, "text_id", "left").cache()
    distinct, found = texts.agg(F.count("text_id"), F.count("known")).first() or (0, 0)
    unseen, same = distinct - found, 0
    if unseen:
        new = texts.where(F.col("known").isNull()).select("text_id", "text")
        make = _made_here if server is None else _asked_for
        same = make(new, unseen, server or settings, store, shown)
    vectors = (
        texts.select("text_id", "ids")
        .join(cache.read(spark, store.folder), "text_id")
        .groupBy("text_id")
        .agg(F.first("ids").alias("ids"), F.min_by("embedding", "file").alias("embedding"))
    )
    figures = {"distinct_texts": distinct, "from_cache": found, "embedded": unseen, "alike": same}
    return vectors.select(F.explode("ids").alias("id"), "embedding"), figures


def _made_here(new: DataFrame, unseen: int, settings: Any, store: Store, shown: Shown) -> int:
    """Embed new texts in Spark's tasks; returns how many got the vector of another."""
    least, most = _TEXTS_PER_TASK
    tasks = -(-unseen // min(max(unseen // _TASKS, least), most))
    # Sorted, so that a model whose vectors do depend on their batch gives the same ones on any number of machines.
    ordered = new.repartition(tasks, "text_id").sortWithinPartitions("text_id")
    with tallied(shown.folder, shown.step, unseen, "texts"):
        # A row for each batch of texts.
        batches = ordered.mapInArrow(_embedder(settings, store, shown.folder), "rows long, alike long").collect()
    return sum(batch["alike"] for batch in batches)


def _asked_for(new: DataFrame, unseen: int, server: Any, store: Store, shown: Shown) -> int:
    """Ask an endpoint for the vectors of new texts; returns how many got the vector of another.

    Raises:
        GenerationError: It cannot be used, or is another model than before; vectors that came are kept.
    """
    _require_same_model(new.sparkSession, server, store)
    same = 0
    with progress(shown.step, unseen, "texts") as advance:
        for rows in _chunks(new):
            ids, texts = [row["text_id"] for row in rows], [row["text"] for row in rows]
            vectors = server.encode(texts, advance, side=store.side, keep=_keeper(store, ids))
            same += alike(texts, vectors)
    return same


def _chunks(frame: DataFrame) -> Iterator[list[Any]]:
    """Yield the rows of a frame, so many at a time; the driver holds no more than a partition."""
    rows: list[Any] = []
    for row in frame.toLocalIterator():
        rows.append(row)
        if len(rows) == _TEXTS_AT_ONCE:
            yield rows
            rows = []
    if rows:
        yield rows


def _keeper(store: Store, ids: Sequence[str]) -> Callable[[list[int], NDArray[np.float32]], None]:
    """Return what writes the vectors of some of these texts into the cache."""

    def keep(rows: list[int], vectors: NDArray[np.float32]) -> None:
        _keep(store, pa.array([ids[row] for row in rows], pa.string()), vectors)

    return keep


def _keep(store: Store, ids: pa.Array, vectors: NDArray[np.float32]) -> None:
    """Write vectors into the cache."""
    flat = pa.array(vectors.ravel(), pa.float32())
    offsets = pa.array(range(0, vectors.size + 1, vectors.shape[1] or 1), pa.int32())
    columns = [ids, pa.ListArray.from_arrays(offsets, flat)]
    cache.add(store.folder, pa.Table.from_arrays(columns, names=cache.SCHEMA.names), store.made_by)


def _require_same_model(spark: SparkSession, server: Server, store: Store) -> None:
    """Ask for a text whose vector is known, so that no other model is taken for the one of before.

    Raises:
        EndpointError: The vector is another.
    """
    probe = id_of(_PROBE)
    kept = cache.read(spark, store.folder).where(F.col("text_id") == probe).orderBy("file").first()
    found = server.encode([_PROBE], side=store.side, keep=None if kept is not None else _keeper(store, [probe]))[0]
    if kept is None:
        return
    before = np.array(kept["embedding"], dtype=np.float32)
    if len(before) != len(found) or not float(before @ found) >= _SAME_MODEL:
        how = f"{len(found)} numbers, before {len(before)}" if len(before) != len(found) else "another direction"
        raise EndpointError(
            f"encoder.endpoint gives another vector for the same text than before: {how}.",
            cause="another model, quantisation or pooling behind the same name; or a server that mixes the texts of "
            "requests, which `synalign doctor` tells",
            remedy="set encoder.revision to a new name for it, and all texts are embedded anew; or bring back the "
            "model of before",
        )


def _embedder(
    settings: Encoder, store: Store, progress: Place
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what runs in the workers: it closes over plain settings; the encoder's own module caches the model."""

    def embed_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        counted = tally(progress)
        for batch in batches:
            texts = batch.column("text").to_pylist()
            vectors = encoder.encode(texts, settings, counted.add, side=store.side)
            _keep(store, batch.column("text_id"), vectors)
            yield pa.RecordBatch.from_pydict({"rows": [batch.num_rows], "alike": [alike(texts, vectors)]})

    return embed_batches
