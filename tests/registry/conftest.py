"""An MLflow database for each test, and a release to register in it."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synalign import flow
from synalign.evaluation.arms import ARMS, CONTRASTS
from synalign.experiment import ExperimentPlan
from synalign.registry.release import Release
from synalign.storage import Place
from synalign.tables import schema
from tests.registry.shop import NEXT, SET

MEANS = {"ndcg_at_10": 0.5, "mrr_at_10": 0.5, "recall_at_10": 0.5, "recall_at_100": 0.5}
COMPARED = {"difference": 0.0, "lower": -0.01, "upper": 0.01, "p_value": 1.0, "queries": 30, "seeds": 3}
EVALUATION: dict[str, Any] = {
    "retriever": "adapter", "seeds": 3, "documents_ranked": 9, "real_pairs": 4,
    "scheme": "equal_mass", "validated": True, "reason": "best of three on 7 validation queries",
    "gate": {"status": "passed", "reason": "not shown to lose more than 0.5 %"},
    "test": {name: MEANS for name in (*ARMS, "treatment")}
    | {f"{name}_minus_control": COMPARED for name in (*ARMS[1:], "treatment")}
    | {f"{arm}_minus_{other}": COMPARED for arm, other in CONTRASTS},
    "segments": {"head": {"control": 0.5, "treatment": 0.5, **COMPARED}},
}  # fmt: skip
DIGEST = "0123456789abcdef" * 4
EARLIER, INTERVAL = "20260227T000000Z-20260228T000000Z", "20260228T000000Z-20260301T000000Z"
# Three batches of two, and synthetic weights 4, 1, 1, 1, 1.
DEMONSTRATIONS = [
    {"batch_id": str(batch), "position": position, "query_id": f"{batch}{position}", "role": role, "variance": variance}
    for batch, variance in enumerate((1.0, 0.5, 0.25))
    for position, role in enumerate(("anchor", "neighbour"))
]
TRAINING_SET = [
    {"pair_id": str(row), "query": f"query {row}", "document_id": "d", "document": "text",
     "source": "synthetic" if weight else "real", "weight": weight or 1.0, "split": "train", "batch_id": None,
     "request_id": f"request {row}" if weight else None,
     "interval": None if not weight else EARLIER if weight > 1.0 else INTERVAL}
    for row, weight in enumerate((None, None, 1.0, 4.0, 1.0, 1.0, 1.0))
]  # fmt: skip


def manifests(digest: str = DIGEST) -> dict[str, dict[str, Any]]:
    metrics: dict[str, dict[str, Any]] = {
        "generate": {
            "money": 0.25, "tokens_in": 1000, "tokens_out": 200, "requests": 4,
            "model": "synalign-embedded-writer",
            "outcomes": {"ok": 4},
            "ledger": {
                "asked_for": 12,
                "accepted": 9,
                "rejected": {"over_length": 1},
                "not_written": {"not_returned": 2},
                "surplus": {"too_many": 5},
            },
        },
        "carry": {"found": 8, "carried": 5, "left": {"retired": 2, "over_length": 1}, "intervals": 2},
        "screen": {
            "candidates": 9, "accepted": 6, "rejected": {"leak": 2, "inconsistent": 1},
            "carried": {"candidates": 4, "accepted": 3, "rejected": {"leak": 1}, "written_again": 1},
        },
        "align": {
            "mmd2_held_out_before": 0.02,
            "mmd2_held_out_after": 0.01,
            "mmd2_held_out_p_value": 0.0004,
            "effective_sample_size": 5.0,
            "synthetic": 9,
            "documents": 4,
        },
        "evaluate": copy.deepcopy(EVALUATION),
        "assemble": {"scheme": "equal_mass", "real_train_rows": 2, "synthetic_train_rows": 5},
    }  # fmt: skip
    return {
        step.name: {
            "step": step.name,
            "tables": {table: {"rows": 3, "digest": digest, "files": {}} for table in step.writes},
            "metrics": metrics.get(step.name, {}),
            "seconds": 1.5,
        }
        for step in flow.before("register")
    }


@pytest.fixture
def release(tmp_path: Path) -> Release:
    folders = {table: tmp_path / step.name / table for step in flow.before("register") for table in step.writes}
    for table, rows in {"training_set": TRAINING_SET, "demonstrations": DEMONSTRATIONS, "traces": []}.items():
        folders[table].mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows, schema(table)), folders[table] / "part-00000.parquet")
    places = {table: Place(folder) for table, folder in folders.items()}
    configuration = {
        "retriever": "shop", "owner": "search", "seed": 0, "runtime": {"attempts": 4},
        "sampling": {"batches": 3, "length_scale": None}, "evaluation": {"gate": {"max_loss": 0.02}},
        "generation": {"redact": ["email"], "budget": {"max": 1}},
    }  # fmt: skip
    return Release("shop", INTERVAL, configuration, manifests(), places, ())


@pytest.fixture
def uri(tmp_path: Path, empty_database: bytes) -> Iterator[str]:
    (tmp_path / "mlflow.db").write_bytes(empty_database)
    yield f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def second(plan: Callable[..., ExperimentPlan]) -> ExperimentPlan:
    """A plan that tests the next retriever against the first plan's treatment."""
    return plan(
        id="second",
        salt="shop-second",
        start="2026-04-01",
        stop="2026-04-30",
        arms=[
            {"name": "control", "model_uri": "s3://models/shop/42", "training_set": SET},
            {"name": "treatment", "model_uri": "s3://models/shop/43", "training_set": NEXT},
        ],
    )
