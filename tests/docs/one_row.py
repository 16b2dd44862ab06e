"""The row that CONTRIBUTING.md follows, read again from the tables of `make refresh`.

`python -m tests.docs.one_row` prints the page's lines, or what a refresh says otherwise.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.dataset as ds

from tests.docs.pages import ROOT

QUERY, CANDIDATE = "rice steamer stays dark", "why does my power button of the rice cooker not start?"
DOCUMENT = "doc-0209"
_ROW = re.compile(r"^\| (\d+) \| \[[\w/.]+\]\(([\w/.]+)\) \| `(\w+)` \| (.+) \|$", re.MULTILINE)

Rows = list[dict[str, Any]]


class Stage(NamedTuple):
    """A line of the page's table.

    Attributes:
        number: From 1 on.
        file: Its path in the checkout.
        function: The function to read there.
        row: What the row is after it.
    """

    number: int
    file: Path
    function: str
    row: str


def stages() -> list[Stage]:
    """Return the lines of the table."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return [Stage(int(number), ROOT / file, function, row) for number, file, function, row in _ROW.findall(page)]


def short(identifier: str) -> str:
    """Cut an id as the page does."""
    return f"`{identifier[:8]}`"


class Refresh:
    """A finished refresh of the demo.

    Args:
        home: Its `$SYNALIGN_HOME`.
    """

    def __init__(self, home: Path) -> None:
        self.folder = max((home / "runs" / "demo").iterdir())

    def manifest(self, step: str) -> dict[str, Any]:
        """Return a step's manifest."""
        content: dict[str, Any] = json.loads((self.folder / step / "manifest.json").read_text())
        return content

    def table(self, step: str, name: str) -> Rows:
        """Return the rows of a table of the attempt that counts."""
        folder = self.folder / step / self.manifest(step)["attempt"] / name
        rows: Rows = ds.dataset(folder, format="parquet").to_table().to_pylist()
        return rows

    def words(self) -> list[list[str]]:
        """Return for each stage what its line of the page must say."""
        (query,) = _where(self.table("ingest", "queries"), query=QUERY)
        (pair,) = _where(self.table("ingest", "pairs"), query=QUERY)
        (embedded,) = _where(self.table("embed", "query_embeddings"), id=query["query_id"])
        shown = self.table("sample", "demonstrations")
        (anchor,) = _where(shown, query_id=query["query_id"], role="anchor")
        batch = anchor["batch_id"]
        neighbours = _where(shown, batch_id=batch, role="neighbour")
        (request,) = _where(self.table("generate", "requests"), batch_id=batch, kind="write")
        written = _where(self.table("generate", "candidates"), batch_id=batch)
        (candidate,) = _where(written, query=CANDIDATE, document_id=DOCUMENT)
        (screened,) = _where(self.table("screen", "screening"), candidate_id=candidate["candidate_id"])
        weights = _where(self.table("align", "weights"), candidate_id=candidate["candidate_id"])
        (choice,) = self.table("evaluate", "choice")
        training_set = self.table("assemble", "training_set")
        (synthetic,) = _where(training_set, query=CANDIDATE)
        (real,) = _where(training_set, query=QUERY)
        version = self.manifest("register")["metrics"]
        measured = re.findall(r"on (\d+) validation queries: nDCG@10 ([\d.]+)", choice["reason"])[0]
        return [
            [short(query["query_id"]), f"count {query['count']}", f"split {query['split']}", short(pair["pair_id"]),
             f"`{pair['document_id']}`"],
            [f"{len(embedded['embedding'])} numbers", ", ".join(f"{each:.4f}" for each in embedded["embedding"][:3])],
            [short(batch), f"{_NUMBERS[len(neighbours)]} similar queries"],
            [short(request["request_id"]), f"for {_NUMBERS[len({row['document_id'] for row in written})]} documents"],
            [short(candidate["candidate_id"]), CANDIDATE],
            [screened["status"], f"score {screened['score']:g}"],
            [f"`{row['scheme']}` {row['weight']:.5f}" for row in weights],
            [f"`{choice['scheme']}` at mass {choice['mass']:g} is chosen",
             f"nDCG@10 {measured[1]} on {measured[0]} validation queries"],
            [short(synthetic["pair_id"]), synthetic["source"], f"weight {synthetic['weight']:.3f}",
             short(real["pair_id"]), f"weight {real['weight']:g}"],
            [f"{len(training_set):,} rows", f"`{version['model']}`, version {version['version']}"],
        ]  # fmt: skip


_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905


def _where(rows: Rows, **values: object) -> Rows:
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def missing(refresh: Refresh) -> list[str]:
    """Return what the page does not say of a refresh, or says otherwise."""
    return [
        f"{stage.number} {stage.file.relative_to(ROOT)}: {word} is not in: {stage.row}"
        for stage, words in zip(stages(), refresh.words(), strict=True)
        for word in words
        if word not in stage.row
    ]


def main() -> None:
    """Compare the page with the demo's refresh in `$SYNALIGN_HOME`, and print its lines, or what is wrong."""
    wrong = missing(Refresh(Path(os.environ.get("SYNALIGN_HOME", ROOT / ".synalign"))))
    if wrong:
        sys.exit("\n".join(wrong))
    for stage in stages():
        print(f"{stage.number:2} {stage.file.relative_to(ROOT)} {stage.function}: {stage.row}")


if __name__ == "__main__":
    main()
