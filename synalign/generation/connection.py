"""The connection to a model's endpoint: its address, its secrets, and nothing that is tried again by itself."""

from __future__ import annotations

import httpx2
import openai

from synalign import masking
from synalign.config import Configuration
from synalign.generation.endpoint import Endpoint, base, local, query

COMPLETIONS = "/chat/completions"


def openai_client(configuration: Configuration, endpoint: Endpoint) -> openai.AsyncOpenAI:
    """Return the library's client, with its own retries off."""
    for secret in (endpoint.api_key, *endpoint.headers.values()):
        masking.learn(secret)
    headers = {name.title() if name.lower() == "authorization" else name: value
               for name, value in endpoint.headers.items()}  # fmt: skip
    # The library insists on a key; where there is none, its header is taken out again.
    hooks = {"request": [_without_key]} if not endpoint.api_key and "Authorization" not in headers else {}
    # A proxy of the environment has no business with a server on this machine.
    http = openai.DefaultAsyncHttpxClient(trust_env=not local(endpoint.url), event_hooks=hooks)
    return openai.AsyncOpenAI(
        base_url=base(endpoint.url),
        api_key=endpoint.api_key or "none",
        default_query=query(endpoint.url),
        default_headers=headers,
        max_retries=0,
        timeout=configuration.runtime.timeout_seconds,
        http_client=http,
    )


async def _without_key(sent: httpx2.Request) -> None:
    sent.headers.pop("Authorization", None)
