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


def test_clicks_are_few_and_uneven_and_many_pages_have_none(tmp_path: Path) -> None:
    log, documents = demo_data.make(tmp_path)
    clicks = pq.read_table(log)["document_id"].value_counts().to_pylist()
    counts = sorted((entry["counts"] for entry in clicks), reverse=True)
    assert len(counts) < 0.8 * pq.read_table(documents).num_rows
    assert sum(counts[: len(counts) // 5]) > 0.4 * sum(counts)


def test_nobody_asks_for_a_page_of_the_company(tmp_path: Path) -> None:
    log, documents = demo_data.make(tmp_path)
    titles = dict(zip(*(pq.read_table(documents)[name].to_pylist() for name in ("document_id", "title")), strict=True))
    asked = {titles.get(page, "").split(":")[0] for page in pq.read_table(log)["document_id"].to_pylist()}
    assert not asked & demo_data.COMPANY.keys()
    assert len([title for title in titles.values() if title.split(":")[0] in demo_data.COMPANY]) == 48


def test_many_searches_have_not_the_words_of_their_page(tmp_path: Path) -> None:
    log, documents = demo_data.make(tmp_path)
    titles = dict(zip(*(pq.read_table(documents)[name].to_pylist() for name in ("document_id", "title")), strict=True))
    rows = [row for row in pq.read_table(log).to_pylist() if row["query"] and row["document_id"] in titles]
    named = [titles[row["document_id"]].split(":")[0].lower() in row["query"].lower() for row in rows]
    assert 0.2 < sum(named) / len(named) < 0.6
