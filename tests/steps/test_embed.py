"""The embedding step in real Spark, against the encoder called directly."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign import tables
from synalign.config import Configuration, Encoder
from synalign.embedding import cache, encoder
from synalign.errors import EndpointError, InputError, SetupError, exit_code
from synalign.run import Interval, Run
from synalign.run.matrix import matrix
from synalign.steps.embed import Shown, Store, embed, embedded, outside
from synalign.steps.job import perform
from synalign.storage import Place
from tests.embedding.foreign import made
from tests.embedding.prompted import PROMPTS, with_prompts
from tests.encoders.double import embedding
from tests.encoders.double import vector as vector_of

pytestmark = pytest.mark.usefixtures("spark")
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")
TIME = pa.timestamp("us", tz="UTC")


def ingested(queries: list[str], documents: list[tuple[str, str]]) -> dict[str, pa.Table]:
    count = len(queries)
    return {
        "queries": pa.table(
            {
                "query_id": [f"q{row}" for row in range(count)],
                "query": queries,
                "count": [1] * count,
                "first_seen": pa.array([0] * count, TIME),
                "last_seen": pa.array([0] * count, TIME),
                "split": ["train"] * count,
                "label": pa.array([None] * count, pa.string()),
            }
        ),
        "documents": pa.table(
            {
                "document_id": [f"d{row}" for row in range(len(documents))],
                "title": [title for title, _ in documents],
                "text": [text for _, text in documents],
            }
        ),
        "pairs": pa.table(
            {
                name: pa.array([], kind)
                for name, kind in (
                    ("pair_id", pa.string()),
                    ("query_id", pa.string()),
                    ("query", pa.string()),
                    ("document_id", pa.string()),
                    ("count", pa.int64()),
                    ("split", pa.string()),
                )
            }
        ),
        "rejected": pa.table({name: pa.array([], pa.string()) for name in ("source", "row", "rule", "reason")}),
    }


def test_every_id_has_the_encoders_vector_and_each_distinct_text_is_embedded_once(
    configuration: Callable[..., Configuration], commit: Callable[..., Run]
) -> None:
    queries = ["how to sort", "descale the kettle", "日本語"]
    documents = [("Title", "text"), ("", "text"), ("", "text"), ("", "long " * 2000)]
    run = commit(Run(configuration(), INTERVAL), **ingested(queries, documents))
    summary = perform(run, "embed", embed)
    assert summary["rows"] == {"query_embeddings": 3, "document_embeddings": 4, "carried_embeddings": 0}
    assert summary["metrics"]["document_embeddings_distinct_texts"] == 3
    settings = run.configuration.encoder
    found = matrix(run.read("query_embeddings"), ["q0", "q1", "q2"])
    np.testing.assert_allclose(found, encoder.encode(queries, settings), atol=1e-6)
    found = matrix(run.read("document_embeddings"), ["d0", "d1", "d2"])
    np.testing.assert_allclose(found, encoder.encode(["Title\ntext", "text", "text"], settings), atol=1e-6)
    made_by = pq.read_schema(Path(run.table_folder("query_embeddings")) / "part-00000.parquet").metadata
    assert made_by[b"model"] == b"all-MiniLM-L6-v2"
    assert made_by[b"revision"] == encoder.EMBEDDED_WEIGHTS.encode()


def test_a_cold_a_half_warm_and_no_cache_give_the_same_bytes(
    configuration: Callable[..., Configuration], commit: Callable[..., Run], spark: Any, home: Path
) -> None:
    queries = [f"{word} {'more ' * (row % 3)}{row}" for row, word in enumerate(["kettle", "toaster", "lamp"] * 7)]
    contents = {"whole": queries, "half": queries[::2], "rest": queries, "again": queries, "none": queries}
    figures, digests = {}, {}
    for name, texts in contents.items():
        if name in ("half", "none"):
            shutil.rmtree(home / "embeddings")
        settings = configuration(retriever=name, runtime={"embedding_cache": name != "none"})
        run = commit(Run(settings, INTERVAL), **ingested(texts, []))
        figures[name] = perform(run, "embed", embed)["metrics"]
        digests[name] = run.digest("query_embeddings")
        assert run.read("document_embeddings").num_rows == 0
        # Neither does the number of tasks change a byte.
        spark.conf.set("spark.sql.shuffle.partitions", str(len(digests) + 1))
    names = ("query_embeddings_distinct_texts", "query_embeddings_from_cache", "query_embeddings_embedded")
    assert {name: tuple(found[key] for key in names) for name, found in figures.items()} == {
        "whole": (21, 0, 21), "half": (11, 0, 11), "rest": (21, 11, 10), "again": (21, 21, 0), "none": (21, 0, 21),
    }  # fmt: skip
    assert len({digests[name] for name in contents if name != "half"}) == 1
    assert not (home / "embeddings").exists()
    assert (figures["whole"]["loop"], figures["whole"]["precision"]) == (
        "lean",
        encoder.plan(settings.encoder).precision,
    )


def test_any_other_model_works_and_the_log_says_why_it_is_slower(
    configuration: Callable[..., Configuration],
    commit: Callable[..., Run],
    make_model: Callable[[str], str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    queries = ["how to sort", "descale the kettle", "日本語"]
    run = commit(Run(configuration(encoder={"model": make_model("static")}), INTERVAL), **ingested(queries, []))
    with caplog.at_level(logging.INFO, logger="synalign"):
        assert perform(run, "embed", embed)["metrics"]["loop"] == "encode"
    said = [line for line in caplog.messages if "SentenceTransformer.encode" in line]
    assert len(said) == 1
    assert "its modules are StaticEmbedding" in said[0]
    found = matrix(run.read("query_embeddings"), ["q0", "q1", "q2"])
    np.testing.assert_allclose(found, encoder.encode(queries, run.configuration.encoder), atol=1e-6)


def test_queries_and_documents_get_the_models_prompts_and_do_not_share_vectors(
    configuration: Callable[..., Configuration],
    commit: Callable[..., Run],
    make_model: Callable[[str], str],
    tmp_path: Path,
) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["how to sort", "descale the kettle", "a lamp"]
    model = with_prompts(make_model("mean"), tmp_path / "model")
    settings = configuration(encoder={"model": model, "precision": "float32", "max_tokens": 30})
    run = commit(Run(settings, INTERVAL), **ingested(texts, [("", text) for text in texts]))
    metrics = perform(run, "embed", embed, outside(run))["metrics"]
    # Airflow's database sees no prompt; the manifest has both.
    assert "query_prompt" not in metrics
    assert run.require("embed")["metrics"]["query_prompt"] == PROMPTS["query"]
    library = SentenceTransformer(model, device="cpu")
    for table, id_, embed_texts, prompt in (
        ("query_embeddings", "q", library.encode_query, PROMPTS["query"]),
        ("document_embeddings", "d", library.encode_document, PROMPTS["document"]),
    ):
        found = matrix(run.read(table), [f"{id_}{row}" for row in range(3)])
        np.testing.assert_allclose(found, embed_texts(texts, normalize_embeddings=True), atol=1e-5)
        metadata = pq.read_schema(Path(run.table_folder(table)) / "part-00000.parquet").metadata
        assert metadata[b"prompt"] == prompt.encode()
    assert perform(run, "embed", embed, outside(run))["reused"]


def test_what_was_embedded_without_the_models_prompts_is_embedded_again(
    configuration: Callable[..., Configuration],
    commit: Callable[..., Run],
    make_model: Callable[[str], str],
    tmp_path: Path,
) -> None:
    """As a run before there were prompts has it; of a model without any, nothing is done twice."""
    assert outside(Run(configuration(), INTERVAL)) == {}
    assert outside(Run(configuration(encoder={"model": str(tmp_path / "nowhere")}), INTERVAL)) == {}
    model = with_prompts(make_model("mean"), tmp_path / "model")
    said = {"model": model, "query_prompt": "q: ", "document_prompt": ""}
    # What the settings say is in the fingerprint.
    assert outside(Run(configuration(encoder=said), INTERVAL)) == {}
    own = Run(configuration(encoder={"model": model}), INTERVAL)
    assert outside(own).keys() == {"query_prompt", "document_prompt"}
    commit(own, **ingested(["how to sort"], []))
    perform(own, "embed", embed)
    assert not perform(own, "embed", embed, outside(own))["reused"]


def test_a_prompt_that_leaves_no_room_ends_the_step_before_spark_starts(
    configuration: Callable[..., Configuration], commit: Callable[..., Run]
) -> None:
    settings = configuration(encoder={"query_prompt": "word " * 40, "max_tokens": 32})
    run = commit(Run(settings, INTERVAL), **ingested(["how to sort"], []))
    with pytest.raises(SetupError, match="must be at least 50"):
        perform(run, "embed", embed)


def test_of_two_cached_vectors_of_a_text_the_file_that_sorts_first_has_its_way(tmp_path: Path, spark: Any) -> None:
    """As two runs at once leave them, were their machines to differ in the last bits."""
    settings = Encoder(precision="float32")
    store = Store(Place(tmp_path) / "a {folder} [ü]" / "cache", {})
    texts = spark.createDataFrame([("q", "kettle")], "id string, text string")
    for vector in ([1.0, 0.0], [0.0, 1.0]):
        content = {"text_id": [tables.content_id("kettle")], "embedding": pa.array([vector], pa.list_(pa.float32()))}
        cache.add(store.folder, pa.table(content), {})
    first = pq.read_table(cache.sound_files(store.folder)[0])["embedding"].to_pylist()
    vectors, figures = embedded(texts, settings, store, Shown("embed", Place(tmp_path) / "progress"))
    assert [list(row["embedding"]) for row in vectors.collect()] == first
    assert figures == {"distinct_texts": 1, "from_cache": 1, "embedded": 0, "alike": 0}


@pytest.mark.parametrize("language", ["Thai", "Japanese"])
def test_queries_that_the_encoder_cannot_read_end_the_step_before_anything_is_paid_for(
    language: str, configuration: Callable[..., Configuration], commit: Callable[..., Run], home: Path
) -> None:
    run = commit(Run(configuration(), INTERVAL), **ingested(made(language), [("Title", "text")]))
    with pytest.raises(InputError, match=r"cannot read the queries: .* of their tokens are unknown") as error:
        perform(run, "embed", embed)
    assert "set encoder.model" in error.value.remedy
    assert exit_code(error.value.exit_code).then == "not tried again"
    # Not even a vector was computed.
    assert not list((home / "embeddings").rglob("*.parquet"))
    assert run.manifest("embed") is None


def test_documents_that_the_encoder_cannot_read_end_the_step_too(
    configuration: Callable[..., Configuration], commit: Callable[..., Run]
) -> None:
    documents = [("", text) for text in made("Thai")]
    run = commit(Run(configuration(), INTERVAL), **ingested(made("English"), documents))
    with pytest.raises(InputError, match="cannot read the documents"):
        perform(run, "embed", embed)


def test_a_few_foreign_queries_are_a_warning_without_their_text(
    configuration: Callable[..., Configuration], commit: Callable[..., Run], caplog: pytest.LogCaptureFixture
) -> None:
    queries = [*made("English"), *made("Thai")[:4]]
    run = commit(Run(configuration(), INTERVAL), **ingested(queries, [("Title", "text")]))
    with caplog.at_level(logging.INFO, logger="synalign"):
        metrics = perform(run, "embed", embed)["metrics"]
    assert metrics["queries_unreadable"] == round(4 / 84, 6)
    assert 0 < metrics["queries_unknown_tokens"] < 0.1
    assert metrics["documents_unreadable"] == 0
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any("the encoder cannot read 4 of 84 queries (4.8%" in warning and "Thai" in warning for warning in warnings)
    assert not any(text in line for line in caplog.messages for text in made("Thai"))


def test_an_encoder_whose_vectors_are_equal_is_told_by_them(
    configuration: Callable[..., Configuration], commit: Callable[..., Run], make_model: Callable[[str], str],
    tmp_path: Path,
) -> None:  # fmt: skip
    """Its tokenizer knows every token, and its weights are all zero but for one vector."""
    from safetensors.numpy import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(make_model("static"), broken)
    file = next(broken.rglob("*.safetensors"))
    save_file({name: np.ones_like(weights) for name, weights in load_file(file).items()}, file)
    run = commit(Run(configuration(encoder={"model": str(broken)}), INTERVAL), **ingested(made("English"), []))
    with pytest.raises(InputError, match="gives 80 of 80 distinct queries the vector of another"):
        perform(run, "embed", embed)


def test_an_endpoint_is_asked_by_the_driver_once_for_each_text_and_never_for_what_is_kept(
    configuration: Callable[..., Configuration], commit: Callable[..., Run], home: Path
) -> None:
    queries = [f"query {row}" for row in range(50)]
    documents = [("Title", "text"), ("", "text"), ("", "text")]
    with embedding() as double:
        named = {"model": "m", "endpoint": f"{double.url}/v1", "texts_per_request": 10, "document_prompt": "d: "}
        quick = {"attempts": 1, "concurrency": 1}
        run = commit(Run(configuration(encoder=named, runtime=quick), INTERVAL), **ingested(queries, documents))
        # The server gives up half way: what came is kept.
        double.instead = lambda number, body: (400, {}, {"error": "no"}) if number > 3 else None
        with pytest.raises(EndpointError, match="rejected"):
            perform(run, "embed", embed)
        paid = set(double.texts[:-10])
        assert len(paid) == 21
        double.asked.clear()
        double.instead = lambda number, body: None
        metrics = perform(run, "embed", embed)["metrics"]
        probes = [text for text in double.texts if "coffee machine" in text]
        assert len(double.texts) == 30 + 2 + len(probes) == 34
        assert not paid & (set(double.texts) - set(probes))
        assert (metrics["query_embeddings_from_cache"], metrics["query_embeddings_embedded"]) == (20, 30)
        assert (metrics["revision"], metrics["precision"], metrics["loop"]) == ("served", "served", "endpoint")
        found = matrix(run.read("query_embeddings"), [f"q{row}" for row in range(50)])
        np.testing.assert_allclose(found, [vector_of(text) for text in queries], atol=1e-6)
        found = matrix(run.read("document_embeddings"), ["d0", "d1", "d2"])
        np.testing.assert_allclose(
            found, [vector_of(f"d: {text}") for text in ("Title\ntext", "text", "text")], atol=1e-6
        )
        # Another model behind the name, and another width.
        for width in (8, 9):
            more = commit(Run(configuration(retriever=f"more{width}", encoder=named, runtime=quick), INTERVAL),
                          **ingested(["a new query"], []))  # fmt: skip
            double.width = width
            double.instead = lambda number, body, width=width: None if width == 9 else (
                200, {}, {"data": [{"index": 0, "embedding": vector_of("other").tolist()}]}
            )  # fmt: skip
            with pytest.raises(EndpointError, match=r"(?s)another vector for the same text.*encoder.revision"):
                perform(more, "embed", embed)
    # Where all vectors are kept, no server is needed.
    again = commit(Run(configuration(retriever="again", encoder=named, runtime=quick), INTERVAL),
                   **ingested(queries, documents))  # fmt: skip
    assert perform(again, "embed", embed)["metrics"]["query_embeddings_from_cache"] == 50
