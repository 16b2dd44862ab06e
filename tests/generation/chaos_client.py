"""A process for `test_chaos` to kill: asks a thousand requests through the real client, with a real journal.

Loading the openai client takes a second or two, so this process loads it once and forks for every start: each line on
its input is a start, answered by the child's process id, and by its exit status when it has ended.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from synalign.config import Configuration
from synalign.errors import GenerationError
from synalign.generation.attributes import reason_request
from synalign.generation.client import Answer, Client
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.endpoint import Endpoint
from synalign.generation.journal import Journal

REQUESTS = 1000
CONCURRENCY = 16
DONE, UNFINISHED, GIVEN_UP, BROKEN = 0, 10, 11, 12
CONFIGURATION = Configuration.model_validate(
    {
        "retriever": "chaos",
        "schedule": {"start": "2026-01-01"},
        "source": {"kind": "beir", "path": "x"},
        "runtime": {"concurrency": CONCURRENCY, "attempts": 10, "timeout_seconds": 20, "max_failure_rate": 1.0},
    }
)


@contextmanager
def clients() -> Iterator[subprocess.Popen[bytes]]:
    """A process that starts clients, each to be killed; see the module."""
    command = [sys.executable, "-m", "tests.generation.chaos_client"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    # Without buffers: whether there is a line to read is asked with select().
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


def batch(number: int) -> Batch:
    """A batch unlike any other."""
    queries = (f"how to descale kettle {number}", f"kettle {number} smells of plastic")
    return Batch(f"{number:032d}", queries, (Document(f"d{number}", f"Kettle {number}", "Rinse it every week."),))


# Made once, so that a start is quick.
ASKED = [reason_request(batch(number), CONFIGURATION) for number in range(REQUESTS)]


async def ask(order: dict[str, Any]) -> int:
    """Ask everything; write the answers, in the order of the requests, if there is one to each.

    Args:
        order: `url`, `folder` of the journal, `output`; and for a ceiling `record` and `max_tokens`, and how many
            `requests`.
    """
    configuration, record, output = CONFIGURATION, None, Path(order["output"])
    if "record" in order:
        budget = configuration.generation.budget.model_copy(update={"max_tokens": order["max_tokens"]})
        generation = configuration.generation.model_copy(update={"budget": budget})
        configuration, record = configuration.model_copy(update={"generation": generation}), Path(order["record"])
    asked, where = ASKED[: order.get("requests")], Endpoint(order["url"], "none")
    with Journal(Path(order["folder"])) as journal:
        async with Client(configuration, where, journal, record=record, backoff_seconds=0.02) as client:
            ended = await asyncio.gather(*map(client.ask, asked), return_exceptions=True)
    answers = [answer for answer in ended if isinstance(answer, Answer)]
    for error in ended:
        if isinstance(error, BaseException):
            if not isinstance(error, GenerationError):
                raise error
            return GIVEN_UP
    if any(answer.content is None for answer in answers):
        return UNFINISHED
    lines = [f"{answer.request_id} {answer.model} {answer.content.model_dump_json()}\n" for answer in answers]
    output.write_text("".join(lines))
    return DONE


def start(order: dict[str, Any]) -> None:
    """Fork a child that asks, in a process group of its own, and tell how it ended."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        status = BROKEN
        try:
            status = asyncio.run(ask(order))
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.setpgid(child, child)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        start(json.loads(line))
