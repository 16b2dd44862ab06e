"""Small logs and documents, looked into as `synalign check --data` does, and what that shows."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from synalign.config import Configuration
from synalign.doctor import data_page, sample
from synalign.run import Interval

INTERVAL = Interval.parse("2026-02-28T03:00", "2026-03-01T03:00")
DOCUMENTS = [
    {"document_id": "kb-17", "title": "Cleaning the dishwasher", "text": "Take out the filter."},
    {"document_id": "kb-203", "title": "", "text": "E3: the pump is too hot."},
]


def lines(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))


def event(
    query: Any = "dishwasher smells", document: Any = "kb-17", time: str = "2026-02-28T09:12:44Z"
) -> dict[str, Any]:
    return {"event_time": time, "query": query, "document_id": document}


def looked(
    home: Path, configuration: Configuration, rows: list[Any], documents: list[Any] = DOCUMENTS
) -> dict[str, Any]:
    lines(home / "log" / "a.jsonl", rows)
    lines(home / "d.jsonl", documents)
    return sample.look(configuration, INTERVAL)


def text_of(found: dict[str, Any], width: int = 100) -> str:
    out = io.StringIO()
    data_page.show(found, Console(file=out, width=width))
    return out.getvalue()


def about(found: dict[str, Any]) -> list[str]:
    return [problem["about"] for problem in found["problems"]]
