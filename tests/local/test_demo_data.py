import hashlib
from pathlib import Path

import pyarrow.parquet as pq

from synalign.local import demo_data


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        paths = demo_data.make(tmp_path / name, seed=seed, events=300)
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in paths])
    assert digests[0] == digests[1]
    assert digests[0][0] != digests[2][0]


def test_most_pages_have_no_click_and_a_few_have_many(tmp_path: Path) -> None:
    log, documents = demo_data.make(tmp_path, events=3000)
    clicks = pq.read_table(log)["document_id"].value_counts().to_pylist()
    counts = sorted((entry["counts"] for entry in clicks), reverse=True)
    assert len(counts) < 0.5 * pq.read_table(documents).num_rows
    assert sum(counts[: len(counts) // 5]) > 0.5 * sum(counts)
