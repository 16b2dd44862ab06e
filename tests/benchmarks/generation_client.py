"""One engine of the generation benchmark: asks so many requests, and prints how many came of it and its CPU.

python -m tests.benchmarks.generation_client ours http://127.0.0.1:8100/v1 /tmp/journal 600
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

NAIVE_IN_FLIGHT, NAIVE_RETRIES = 64, 2


def text(number: int) -> str:
    """A prompt unlike any other."""
    return f"Write four queries that document {number} answers. " + "It is about repairing a kettle. " * 30


def ours(url: str, folder: Path, count: int) -> int:
    """SynAlign's client with its default settings."""
    from synalign.config import Configuration
    from synalign.generation.client import Client, Request
    from synalign.generation.endpoint import Endpoint
    from synalign.generation.journal import Journal
    from synalign.generation.schemas import QUERIES, WrittenQueries

    configuration = Configuration.model_validate(
        {
            "retriever": "benchmark",
            "schedule": {"start": "2026-01-01"},
            "source": {"kind": "beir", "path": "x"},
            "generation": {"endpoint": url, "model": "limited"},
        }
    )

    async def work() -> int:
        with Journal(folder) as journal:
            async with Client(configuration, Endpoint(url, "none"), journal) as client:
                requests = [
                    Request("write", str(n), "v1", [{"role": "user", "content": text(n)}], QUERIES, WrittenQueries)
                    for n in range(count)
                ]
                answers = await asyncio.gather(*(client.ask(request) for request in requests))
        return sum(answer.content is not None for answer in answers)

    return asyncio.run(work())


def naive(url: str, folder: Path, count: int) -> int:
    """What most people write: 64 at a time, the SDK retries, answers are written at the end."""
    import openai

    async def work() -> int:
        slots = asyncio.Semaphore(NAIVE_IN_FLIGHT)
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=NAIVE_RETRIES) as client:

            async def ask(number: int) -> str | None:
                async with slots:
                    try:
                        messages = [{"role": "user", "content": text(number)}]
                        completion = await client.chat.completions.create(model="limited", messages=messages)
                        return completion.choices[0].message.content
                    except openai.OpenAIError:
                        return None

            answers = await asyncio.gather(*map(ask, range(count)))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "answers.json").write_text(json.dumps(answers))
        return sum(answer is not None for answer in answers)

    return asyncio.run(work())


if __name__ == "__main__":
    engine, url, folder, count = sys.argv[1:]
    results = {"ours": ours, "naive": naive}[engine](url, Path(folder), int(count))
    print(json.dumps({"results": results, "cpu_seconds": time.process_time()}))
