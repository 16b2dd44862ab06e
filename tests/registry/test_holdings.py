"""Registered versions that hold a query, those whose version was deleted among them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from synalign.registry.holdings import Matchers, holdings
from synalign.storage import Place
from tests.registry.shop import client_of

QUERY = "anna & bob"


def in_set(files: list[Place]) -> bool:
    return any(QUERY in pq.read_table(str(file))["query"].to_pylist() for file in files)


MATCHERS = Matchers(in_set, lambda text: QUERY in text, lambda text: QUERY in text)


def test_what_holds_a_query_is_named_with_its_files(uri: str, tmp_path: Path) -> None:
    client = client_of(uri)
    place = client.create_experiment("refresh/shop", (tmp_path / "artefacts").as_uri())
    client.create_registered_model("shop-training-set")
    runs = []
    for query in (QUERY, "harmless", QUERY):
        run = client.create_run(place).info.run_id
        folder = tmp_path / run / "training_set"
        folder.mkdir(parents=True)
        pq.write_table(pa.table({"query": ["x", query]}), folder / "part.parquet")
        client.log_artifacts(run, str(folder), "training_set")
        client.log_text(run, f'{{"example": "{query}"}}', "manifests/ingest.json")
        client.log_text(run, f"<p>{query.replace('&', '&amp;')}</p>", "report.html")
        client.create_model_version("shop-training-set", "s3://set", run, {"location": str(folder)})
        runs.append(run)
    client.set_registered_model_alias("shop-training-set", "current", "2")
    client.delete_model_version("shop-training-set", "3")
    for retriever in ("shop", None):
        found = {holding.name: holding for holding in holdings(retriever, uri, MATCHERS)}
        assert set(found) == {"shop@1", "shop@2", "shop, version deleted"}
        kept = ("training_set", "manifests", "report.html")
        assert found["shop@1"].files == (str(tmp_path / runs[0] / "training_set"), *kept)
        assert (found["shop@2"].files, found["shop@2"].aliases) == ((), ("current",))
        assert (found["shop, version deleted"].files, found["shop, version deleted"].run_id) == (kept, runs[2])
    assert holdings("other", uri, MATCHERS) == []


def test_where_nothing_was_ever_registered_nothing_is_made(tmp_path: Path) -> None:
    assert holdings("shop", f"sqlite:///{tmp_path / 'none.db'}", MATCHERS) == []
    assert not (tmp_path / "none.db").exists()
