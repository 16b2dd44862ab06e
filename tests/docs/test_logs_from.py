"""The page of known log formats: its files, ingested with its own YAML, give the queries and pairs that they show."""

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest
import yaml

from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.steps.ingest import ingest, source_files
from synalign.steps.job import perform
from tests.docs.pages import ROOT, blocks
from tests.querylog.trial import accounted, metrics_of

BLOCKS = {block.file: block for block in blocks(ROOT / "docs" / "logs-from.md") if block.file}
FORMATS = [name for name in BLOCKS if name.endswith(".yaml")]
E3 = {
    "export.yaml": "e3; washing machine",
    "search-console.yaml": "e3, washing machine",
    "aol.yaml": '"e3" on washing machine',
}
COUNTS = {"search-console.yaml": (12, 7)}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.usefixtures("spark")
def test_a_log_of_the_page_is_read_with_the_yaml_of_the_page(home: Path, name: str) -> None:
    for file, block in BLOCKS.items():
        path = home / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    configuration = Configuration.model_validate(yaml.safe_load(BLOCKS[name].text))
    start = datetime.combine(configuration.schedule.start, time(), UTC)
    run = Run(configuration, Interval.parse(start.isoformat(), (start + timedelta(days=1)).isoformat()))
    perform(run, "ingest", ingest, source_files(run))
    first, second = COUNTS.get(name, (1, 1))
    expected = {"dishwasher smells": first, E3.get(name, "e3 on washing machine"): second}
    counts = {row["query"]: row["count"] for row in run.read("queries").to_pylist()}
    pairs = {row["query"]: row["count"] for row in run.read("pairs").to_pylist()}
    assert pairs == expected
    # AOL's log has a search without a click, which is kept as traffic.
    assert counts == {**expected, **({"weather": 1} if name == "aol.yaml" else {})}
    assert run.read("documents").num_rows == 2
    assert run.read("rejected").num_rows == 0
    metrics = metrics_of(run)
    assert metrics["log_rows"] == accounted(metrics)
    assert metrics.get("log_rows_not_relevant", 0) == (name == "msmarco.yaml")


def test_there_are_the_seven_formats() -> None:
    assert len(FORMATS) == 7
