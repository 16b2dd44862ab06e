"""Faults of the embedded writer, on purpose and repeatable: `--fault` shows users a refresh on a provider's bad day.

Whether a request meets a fault is decided by a hash of the seed, the request and the number of its try: the same run
meets the same faults, and a request that met one can succeed when it is tried again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

from synalign.errors import ArgumentError
from synalign.writer.calls import Rejected

KINDS = {
    "429": "rate limit, without a word on how long to wait",
    "429-retry-after": "rate limit, with Retry-After (see --retry-after)",
    "500": "server error",
    "drop": "the connection is closed instead of an answer",
    "drip": "a good answer that comes slowly, piece by piece (see --drip)",
    "truncated-body": "the connection is closed in the middle of the answer",
    "wrong-json": "the model's answer is broken JSON",
    "wrong-schema": "the model's answer is JSON of another shape",
    "refusal": "the model refuses",
    "quota": "429 with the code insufficient_quota: the account is empty",
    "batch-expiry": "a batch of the batch API expires half done",
    "batch-validation": "a batch of the batch API fails before it begins",
}
# Faults of any endpoint, and faults of a chat completion.
TRANSPORT = frozenset({"429", "429-retry-after", "500", "drop"})
COMPLETION = TRANSPORT | {"drip", "truncated-body", "wrong-json", "wrong-schema", "refusal", "quota"}

_RATE_LIMIT = (429, "rate_limit_exceeded", "Rate limit reached.", "requests")
_ERRORS = {
    "429": _RATE_LIMIT,
    "429-retry-after": _RATE_LIMIT,
    "500": (500, None, "The server had an error.", "server_error"),
    "quota": (429, "insufficient_quota", "You exceeded your current quota.", "insufficient_quota"),
}

_HELP = """\
A dry run against a bad day of a provider:

  python -m synalign.writer.server --port 8100 \\
      --latency 0.8:0.4 --fault 500=0.02 --fault 429-retry-after=0.05 --seed 1

with `generation: {endpoint: "http://127.0.0.1:8100/v1"}` in the retriever's YAML file and any text in $OPENAI_API_KEY;
afterwards, or meanwhile:

  curl http://127.0.0.1:8100/faults

Which request meets which fault depends on --seed, the request and how often it was tried: the same command gives the
same faults again. /faults tells what was sent, and how often each request (SHA-256 of its body) was paid for.

kinds of faults:
"""


class Faults(NamedTuple):
    """How badly a server behaves.

    Attributes:
        rates: Kind of fault to the share of requests it befalls; one of `KINDS`, at most 1 in all.
        latency: Mean seconds until an answer.
        deviation: Their standard deviation; latencies are log-normal. 0: always the mean.
        retry_after: Seconds that `429-retry-after` asks to wait.
        drip_seconds: How long `drip` takes.
        batch_seconds: How long a batch of the batch API takes.
        seed: Another seed, other faults.
    """

    rates: dict[str, float] = {}  # noqa: RUF012 - never changed
    latency: float = 0.0
    deviation: float = 0.0
    retry_after: float = 1.0
    drip_seconds: float = 5.0
    seed: int = 0
    batch_seconds: float = 2.0

    def chosen(self, digest: str, nth: int, kinds: frozenset[str]) -> str | None:
        """Return the fault that the nth try of a request meets, if any.

        Args:
            digest: Names the request.
            nth: Which try, from 1.
            kinds: The faults that can befall it; others do not.
        """
        drawn = self._uniform("fault", digest, nth)
        for kind, rate in self.rates.items():
            if kind in kinds:
                if drawn < rate:
                    return kind
                drawn -= rate
        return None

    def seconds(self, digest: str, nth: int) -> float:
        """Return how long the nth try of a request takes, in seconds."""
        if not self.deviation or not self.latency:
            return self.latency
        # Moments of the log-normal distribution: mean exp(mu + s**2 / 2), variance (exp(s**2) - 1) * mean**2.
        spread = math.log1p((self.deviation / self.latency) ** 2)
        middle = math.log(self.latency) - spread / 2
        return random.Random(self._uniform("latency", digest, nth)).lognormvariate(middle, math.sqrt(spread))

    def _uniform(self, purpose: str, digest: str, nth: int) -> float:
        """Draw a number in [0, 1), the same for the same try."""
        name = f"{self.seed}:{purpose}:{digest}:{nth}".encode()
        return int.from_bytes(hashlib.sha256(name).digest()[:6]) / 2**48


NO_FAULTS = Faults()


def error_answer(kind: str, faults: Faults) -> Rejected | None:
    """Return the answer of a fault that is an error of the server; None for the other faults."""
    if kind not in _ERRORS:
        return None
    failed = Rejected(*_ERRORS[kind])
    if kind == "429-retry-after":
        # Whole seconds by the standard of HTTP; OpenAI adds the exact figure.
        exact = str(round(faults.retry_after * 1000))
        failed.headers = {"Retry-After": str(math.ceil(faults.retry_after)), "retry-after-ms": exact}
    return failed


def spoil(kind: str, body: bytes) -> bytes:
    """Spoil a good chat completion by a fault of the model's answer; the other faults leave it as it is."""
    if kind not in ("wrong-json", "wrong-schema", "refusal"):
        return body
    completion: dict[str, Any] = json.loads(body)
    message = completion["choices"][0]["message"]
    if message.get("tool_calls"):
        message["content"] = message.pop("tool_calls")[0]["function"]["arguments"]
    if kind == "wrong-json":
        message["content"] = message["content"][: len(message["content"]) // 2] + "\\"
    elif kind == "wrong-schema":
        message["content"] = '{"answer": ["of", "another", "shape"]}'
    else:
        message.update(content=None, refusal="I cannot help with that.")
    return json.dumps(completion).encode()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the switches for faults to a command, and explain them."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _HELP + "\n".join(f"  {kind:<16} {what}" for kind, what in KINDS.items())
    parser.add_argument(
        "--fault", action="append", default=[], metavar="KIND=SHARE",
        help="let this share of requests meet a fault, e.g. 500=0.02; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--latency", default="0", metavar="MEAN[:SD]",
        help="seconds until an answer; with a standard deviation, log-normal, e.g. 0.8:0.4 (default: 0)",
    )  # fmt: skip
    parser.add_argument("--retry-after", default="1", metavar="SECONDS", help="what 429-retry-after asks (default: 1)")
    parser.add_argument("--drip", default="5", metavar="SECONDS", help="how long a drip takes (default: 5)")
    parser.add_argument("--batch", default="2", metavar="SECONDS", help="how long a batch takes (default: 2)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other faults (default: 0)")


def from_arguments(arguments: argparse.Namespace) -> Faults:
    """Return the faults of a command line.

    Raises:
        ArgumentError: A value cannot be meant.
    """
    mean, _, deviation = arguments.latency.partition(":")
    return Faults(
        _rates(arguments.fault),
        _seconds("--latency", mean),
        _seconds("--latency", deviation or "0"),
        _seconds("--retry-after", arguments.retry_after),
        _seconds("--drip", arguments.drip),
        arguments.seed,
        _seconds("--batch", arguments.batch),
    )


def _rates(texts: Sequence[str]) -> dict[str, float]:
    rates: dict[str, float] = {}
    for text in texts:
        kind, _, share = text.partition("=")
        if kind not in KINDS:
            raise ArgumentError("--fault", text, f"its kind must be one of {', '.join(KINDS)}")
        if kind in rates:
            raise ArgumentError("--fault", text, "its kind was given before")
        rates[kind] = _number("--fault", share)
    if math.fsum(rates.values()) > 1.0:
        raise ArgumentError("--fault", list(texts), "the shares must add up to at most 1")
    return rates


def _seconds(name: str, text: str) -> float:
    seconds = _number(name, text)
    if seconds > 3600.0:
        raise ArgumentError(name, text, "must be at most an hour, in seconds")
    return seconds


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number >= 0.0 or math.isinf(number):
        raise ArgumentError(name, text, "must be a number >= 0")
    return number
