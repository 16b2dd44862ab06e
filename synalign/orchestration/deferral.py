"""A task that waits without a worker slot: it runs a job, and while the job has to wait, the triggerer polls for it.

The triggerer asks the provider whether the job's batches have ended; what they hold, the job collects when it is run
again. The key never leaves the environment, or Airflow's connection: a trigger carries the name of its variable, or the
connection's id. Imported by DAG files and by
the triggerer, so nothing heavier than Airflow itself.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import httpx
from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from synalign.errors import ConfigurationError
from synalign.generation import endpoint
from synalign.generation.provider_states import ENDED
from synalign.orchestration.credentials import Credential, variables
from synalign.orchestration.operators import JobOperator

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
"""Seconds between two polls: doubling from the first to the longest."""

BLIND_SECONDS = 900.0
"""Where the triggerer cannot see the batches (no key, no route), the job itself looks after this long."""

LONGEST_WAIT = 26 * 3600.0
"""A provider ends every batch within a day; after this long the job looks in any case."""


class BatchTrigger(BaseTrigger):
    """Fires when none of some batches is in flight any more.

    An endpoint that fails is asked again, less and less often.

    Args:
        batches: Ids.
        url: Base URL of the provider, usually ending in `/v1`; it may have a query.
        api_key_variable: Environment variable of the triggerer that holds the key; None: none is sent.
        headers_variable: Environment variables of the triggerer that hold headers, as `generation.headers_variable`.
        credentials: What it asks Airflow's connections for: they go before its environment.
        first_pause: Seconds between the first two polls.
        blind_seconds: See `BLIND_SECONDS`.
    """

    def __init__(
        self,
        batches: Iterable[str],
        url: str,
        api_key_variable: str | None,
        first_pause: float = FIRST_PAUSE,
        blind_seconds: float = BLIND_SECONDS,
        headers_variable: dict[str, str] | str | None = None,
        credentials: Sequence[Sequence[Any]] = (),
    ) -> None:
        super().__init__()
        self.batches = list(batches)
        self.url = url
        self.api_key_variable = api_key_variable
        self.headers_variable = headers_variable
        self.credentials = [Credential(*each) for each in credentials]
        self.first_pause = first_pause
        self.blind_seconds = blind_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Say where the triggerer finds the class, and what it makes a trigger from."""
        arguments = {
            "batches": self.batches,
            "url": self.url,
            "api_key_variable": self.api_key_variable,
            "headers_variable": self.headers_variable,
            "credentials": [list(each) for each in self.credentials],
            "first_pause": self.first_pause,
            "blind_seconds": self.blind_seconds,
        }
        return f"{type(self).__module__}.{type(self).__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield one event: how each batch ended, or why the job has to look itself."""
        states: dict[str, str] = {}
        clock = asyncio.get_running_loop().time
        started = seen = clock()
        pause = self.first_pause
        environment, proxy = await self._environment()
        # The writer on this machine takes no key, and a proxy of the environment has no business with it.
        async with httpx.AsyncClient(trust_env=not endpoint.local(self.url), proxy=proxy, timeout=30.0) as client:
            while True:
                in_sight = await self._look(client, states, self._headers(environment))
                if len(states) == len(self.batches):
                    yield TriggerEvent({"batches": states})
                    return
                seen = clock() if in_sight else seen
                if clock() - seen > self.blind_seconds or clock() - started > LONGEST_WAIT:
                    yield TriggerEvent({"batches": states, "unseen": sorted(set(self.batches) - set(states))})
                    return
                await asyncio.sleep(pause * random.uniform(0.8, 1.0))
                pause = min(LONGEST_PAUSE, 2.0 * pause)

    async def _look(self, client: httpx.AsyncClient, states: dict[str, str], headers: dict[str, str] | None) -> bool:
        """Add the batches that have ended to `states`; whether all the others could be seen."""
        in_sight = True
        for batch in self.batches:
            if batch in states:
                continue
            status = None if headers is None else await self._status(client, batch, headers)
            if status in ENDED or status == "unknown":
                states[batch] = str(status)
            in_sight = in_sight and status is not None
        return in_sight

    async def _status(self, client: httpx.AsyncClient, batch: str, headers: dict[str, str]) -> str | None:
        """Return state of a batch; `unknown` when the provider has none of that id, None when nobody can tell."""
        try:
            address = f"{endpoint.base(self.url)}/batches/{batch}"
            response = await client.get(address, params=endpoint.query(self.url), headers=headers)
            if response.status_code == 404:
                return "unknown"
            if response.status_code != 200:
                self.log.warning("batch %s: status %d; asking again", batch, response.status_code)
                return None
            return str(response.json()["status"])
        except (httpx.HTTPError, ValueError, TypeError, KeyError) as error:
            # Its text may quote what was sent.
            self.log.warning("batch %s: %s; asking again", batch, type(error).__name__)
            return None

    async def _environment(self) -> tuple[dict[str, str], str | None]:
        """Return the variables that hold key and headers, and the proxy; connections' secrets stay in here."""
        try:
            given = await sync_to_async(variables)(self.credentials)
        except ConfigurationError as error:
            self.log.warning("%s Cannot poll", error.message)
            given = {}
        host = urlsplit(self.url).hostname or ""
        direct = endpoint.local(self.url) or proxy_bypass_environment(host, {"no": given.get("NO_PROXY", "")})
        return {**os.environ, **given}, None if direct else given.get("HTTPS_PROXY")

    def _headers(self, environment: Mapping[str, str]) -> dict[str, str] | None:
        """Return the headers of each call, the key among them; None where a variable is not set."""
        found = {}
        if self.api_key_variable is not None:
            key = environment.get(self.api_key_variable, "").strip()
            if not key:
                self.log.warning("%s is not set in the triggerer's environment: cannot poll", self.api_key_variable)
                return None
            found["Authorization"] = f"Bearer {key}"
        try:
            given = endpoint.headers(self.headers_variable, environment)
        except ConfigurationError as error:
            self.log.warning("%s cannot poll", error.message)
            return None
        if any(name.lower() == "authorization" for name in given):
            found.pop("Authorization", None)
        return found | given


class Waits:
    """Lets an operator that runs a job defer while the job's summary says that it waits, and run it again then."""

    def execute(self, context: Any) -> dict[str, Any] | None:
        """Run the job; its summary becomes the task's return value."""
        summary: dict[str, Any] | None = super().execute(context)  # type: ignore[misc]
        if summary is not None and "waiting" in summary:
            asked = [each for each in self.credentials if each.purpose in ("model", "proxy")]  # type: ignore[attr-defined]
            trigger = BatchTrigger(**summary["waiting"], credentials=asked)
            self.defer(trigger=trigger, method_name="resume")  # type: ignore[attr-defined]
        return summary

    def resume(self, context: Any, event: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Run the job again, after its batches have ended."""
        self.log.info("batches: %s", event)  # type: ignore[attr-defined]
        return self.execute(context)


class WaitingJobOperator(Waits, JobOperator):
    """Runs a job as a process; defers while its summary says that it waits, and runs it again, until it is done."""
