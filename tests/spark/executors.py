"""Steps whose tasks run in another Python than the driver's: a process of the tests in test_executors.py."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from synalign import flow
from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.spark.session import session
from synalign.steps.job import perform
from synalign.steps.mine import mine
from tests.cluster import Case, perform_all
from tests.handmade import finish
from tests.steps.test_mine import World


def main() -> None:
    """Print what *ingest*, *carry* and *embed* gave, and *mine* of a run made by hand."""
    folder = Path(os.environ["SYNALIGN_HOME"])
    folder.mkdir(parents=True)
    events = [
        {"event_time": "2026-02-20T10:00:00Z", "query": f"how to mend thing {n}", "document_id": f"d{n % 10}"}
        for n in range(40)
    ]
    documents = [{"document_id": f"d{n}", "title": f"Thing {n}", "text": "Mends."} for n in range(10)]
    for name, rows in (("log", events), ("documents", documents)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source: dict[str, Any] = {"kind": "log", "path": str(folder / "log.jsonl"), "format": "jsonl"}
    source["documents"] = {"path": str(folder / "documents.jsonl"), "format": "jsonl"}
    configuration = {"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": source}
    with session("executors") as spark:
        python = spark.range(1).mapInArrow(_python, "python string").collect()[0]["python"]
        (tables,) = perform_all([Case(configuration, ["ingest", "carry", "embed"])])
        mined = _mine(Configuration.model_validate({**configuration, "retriever": "mined"}))
    print(json.dumps({"python": python, "tables": tables, "negatives": mined}))


def _python(batches: Any) -> Any:
    for _ in batches:
        yield pa.RecordBatch.from_pydict({"python": [sys.executable]})


def _mine(configuration: Configuration) -> int:
    run = Run(configuration, Interval.parse("2026-02-28", "2026-03-01"))
    contents = World().tables()
    # What comes before it in the flow, by hand.
    for step in flow.STEPS[: [step.name for step in flow.STEPS].index("mine")]:
        finish(run, step, contents)
    perform(run, "mine", mine)
    return len(run.read("negatives"))


if __name__ == "__main__":
    main()
