"""The server of the generation benchmark: answers in log-normal time, fails now and then, and enforces a rate limit.

In a process of its own, so that its CPU is not the client's. It counts what it admits, and when.

    python -m tests.benchmarks.limited_server --form window --headers all
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import time
from collections import Counter, deque
from typing import Literal, get_args

from aiohttp import web

PER_MINUTE = 600
MEAN, DEVIATION = 0.8, 0.4
FAILING = 0.02

Form = Literal["window", "full", "counting"]
"""A 10 s sliding window that starts empty; a 60 s window already full, its slots freed evenly; the first, in which
rejected requests count too."""

ANSWER = json.dumps({"documents": [{"document": 0, "queries": ["a written query"] * 4}]})


class Limit:
    """A sliding window.

    Args:
        form: Which.
        now: When it starts.
    """

    def __init__(self, form: Form, now: float) -> None:
        self.seconds = 60.0 if form == "full" else 10.0
        self.most = round(PER_MINUTE * self.seconds / 60.0)
        self.counts_rejected = form == "counting"
        step = self.seconds / self.most
        self._times = deque(
            now - self.seconds + step * (slot + 1) for slot in range(self.most if form == "full" else 0)
        )

    def admit(self, now: float) -> bool:
        """Whether one more fits, which takes a slot."""
        while self._times and self._times[0] <= now - self.seconds:
            self._times.popleft()
        fits = len(self._times) < self.most
        if fits or self.counts_rejected:
            self._times.append(now)
        return fits

    def left(self) -> int:
        """Free slots."""
        return max(0, self.most - len(self._times))

    def wait(self, now: float) -> float:
        """Seconds until one fits."""
        over = len(self._times) - self.most
        return 0.0 if over < 0 else self._times[over] + self.seconds - now


class Server:
    """Counts while it serves.

    Args:
        form: Its rate limit.
        headers: Whether responses carry `Retry-After` and `x-ratelimit-*`.
        seed: Of latencies and failures.
    """

    def __init__(self, form: Form, headers: bool, seed: int) -> None:
        self.form, self.headers = form, headers
        self.random = random.Random(seed)
        self.limit: Limit | None = None
        self.sent: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.first = self.last = 0.0
        self.in_flight = 0
        spread = math.log(1.0 + (DEVIATION / MEAN) ** 2)
        self.latency = (math.log(MEAN) - spread / 2.0, math.sqrt(spread))

    async def complete(self, request: web.Request) -> web.Response:
        asked = json.loads(await request.read())["messages"][-1]["content"]
        now = time.monotonic()
        if self.limit is None:
            self.limit, self.first = Limit(self.form, now), now
        admitted = self.limit.admit(now)
        wait = self.limit.wait(now)
        headers = self._headers(wait)
        if not admitted:
            self.sent["429"] += 1
            if self.headers:
                headers |= {"Retry-After": str(math.ceil(wait)), "retry-after-ms": str(math.ceil(1000 * wait))}
            return _error(429, "rate_limit_exceeded", headers)
        self.in_flight += 1
        try:
            await asyncio.sleep(self.random.lognormvariate(*self.latency))
        finally:
            self.in_flight -= 1
        if self.random.random() < FAILING:
            self.sent["500"] += 1
            return _error(500, "server_error", headers)
        self.sent["200"] += 1
        self.paid[asked] += 1
        self.last = time.monotonic()
        return web.json_response(_completion(), headers=headers)

    async def figures(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "sent": dict(self.sent),
                "seconds": self.last - self.first,
                "answered": len(self.paid),
                "paid_twice": sum(self.paid.values()) - len(self.paid),
                "in_flight": self.in_flight,
            }
        )

    def _headers(self, wait: float) -> dict[str, str]:
        if not self.headers or self.limit is None:
            return {}
        return {
            "x-ratelimit-limit-requests": str(PER_MINUTE),
            "x-ratelimit-remaining-requests": str(self.limit.left()),
            "x-ratelimit-reset-requests": f"{math.ceil(1000 * wait)}ms",
        }


def _completion() -> dict[str, object]:
    message = {"role": "assistant", "content": ANSWER, "refusal": None}
    return {
        "id": "x", "object": "chat.completion", "created": 0, "model": "limited",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": None}],
        "usage": {"prompt_tokens": 300, "completion_tokens": 60, "total_tokens": 360},
    }  # fmt: skip


def _error(status: int, code: str, headers: dict[str, str]) -> web.Response:
    body = {"error": {"message": "benchmark", "type": code, "param": None, "code": code}}
    return web.json_response(body, status=status, headers=headers)


async def serve(server: Server) -> None:
    """Serve on a free port of loopback, which is printed, until killed."""
    application = web.Application()
    application.router.add_post("/v1/chat/completions", server.complete)
    application.router.add_get("/figures", server.figures)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--form", choices=get_args(Form), required=True)
    parser.add_argument("--silent", action="store_true", help="no headers that tell of the limit")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    asyncio.run(serve(Server(arguments.form, not arguments.silent, arguments.seed)))


if __name__ == "__main__":
    main()
