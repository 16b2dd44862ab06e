"""A refresh through Airflow whose queries a real language model writes: SmolLM2-135M behind llama.cpp's server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from synalign.config.generation import BUILT_IN_MODEL
from tests.integration.conftest import Refresh

pytestmark = [pytest.mark.spark, pytest.mark.airflow]


def test_what_a_small_model_writes_reaches_the_training_set(
    tmp_path: Path, make_shop: Callable[..., Path], quick_java: str
) -> None:
    file = make_shop(tmp_path, events=1500, batches=3)
    content = yaml.safe_load(file.read_text())
    content["generation"] = {"endpoint": "local", "documents_per_batch": 4, "queries_per_document": 1}
    content["runtime"] = {"timeout_seconds": 600}
    # What so small a model writes may find its document or not; that some of it is kept is not what is tried here.
    content["screening"] = {"round_trip_depth": 1000}
    file.write_text(yaml.safe_dump(content))
    made = Refresh(tmp_path, file)
    made = made._replace(output=made.again().output)
    assert "  Checks" in made.output
    metrics = made.manifest("generate")["metrics"]
    assert metrics["requests"] == metrics["ledger"]["asked_for"] == 12
    assert metrics["outcomes"].get("ok", 0) >= 10
    assert metrics["asked_as"]["context_tokens"] == 4096
    # The server counts: prompts with four turns, answers of a line.
    assert metrics["tokens_in"] > 12 * 200 and metrics["tokens_out"] > 12 * 5
    requests = pq.read_table(made.attempt("generate") / "requests")
    assert set(requests["kind"].to_pylist()) == {"write"}
    assert set(requests["model"].to_pylist()) == {BUILT_IN_MODEL}
    rows = pq.read_table(made.attempt("assemble") / "training_set")
    written = rows.filter(pc.equal(rows["source"], "synthetic"))
    candidates = pq.read_table(made.attempt("generate") / "candidates")
    assert set(written["query"].to_pylist()) <= set(candidates["query"].to_pylist())
    attributes = pq.read_table(made.attempt("generate") / "attributes")
    assert {"form", "length"} <= set(attributes["name"].to_pylist())
