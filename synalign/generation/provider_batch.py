"""Requests through the provider's batch API: cheaper, answered within a day, and advanced by whoever looks next.

Nothing here waits. Each look collects the batches that have ended into the journal, and submits what is missing;
between looks no process needs to live. A set of requests is submitted once however often that happens: its digest is
written down before the upload (`batch_record`) and stands in the batch's metadata, where it is found after a kill.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from openai.types import Batch
from pydantic import BaseModel

from synalign.config import Configuration
from synalign.errors import EndpointError
from synalign.generation import complaints, outcomes, request
from synalign.generation.attributes import REASON
from synalign.generation.budget import Budget
from synalign.generation.client import Answer, adapt, answer_of
from synalign.generation.complaints import Complaint
from synalign.generation.correction import Correction, believed
from synalign.generation.dialect import Dialect
from synalign.generation.endings import final_error
from synalign.generation.endpoint import EMBEDDED, Endpoint
from synalign.generation.journal import Entry, Journal
from synalign.generation.outcomes import Failure, Reply
from synalign.generation.provider_api import COMPLETIONS, BatchApi
from synalign.generation.provider_record import Ended, Note, Record, Sent, Submission
from synalign.generation.provider_states import ENDED
from synalign.generation.request import Request
from synalign.generation.schemas import LatentAttributes
from synalign.generation.writing import WRITE, answer_model
from synalign.run.manifests import canonical
from synalign.tables import content_id

log = logging.getLogger("synalign")

MOST_REQUESTS = 50_000
MOST_BYTES = 200_000_000
"""What a provider takes in one file."""

# How a request ended that a batch gave nothing for. The words are the client's for the same: too late, and no answer.
_WITHOUT_ANSWER = {"expired": outcomes.TIMEOUT, "cancelled": outcomes.TIMEOUT}
_MESSAGE_CHARACTERS = 300
_REFUSED = re.compile(rb'"status_code"\s*:\s*[45]\d\d')
_LEAST_TOKENS = 512
"""Tokens without which there is no use in asking."""


class _Line(NamedTuple):
    """One request on its way into a file."""

    key: str
    sent: Sent
    text: bytes


class ProviderBatches:
    """One step's requests at one provider. An async context manager.

    Args:
        configuration: Says what is asked, and what it may cost.
        endpoint: Where.
        journal: Where good answers are kept; one that is there is not asked for again.
        record: What was submitted before.
        fingerprint: Of the step: other settings give every request its rounds back.
        dialect: What the provider takes. None: it is found out, and forgotten with this object.
        most_requests: Most requests in one batch.
        most_bytes: Most bytes in one batch's file; a longer request still gets a file to itself.
        backoff_seconds: Wait after the first failed call; doubles with each.
    """

    def __init__(
        self,
        configuration: Configuration,
        endpoint: Endpoint,
        journal: Journal,
        record: Record,
        fingerprint: str,
        dialect: Dialect | None = None,
        *,
        most_requests: int = MOST_REQUESTS,
        most_bytes: int = MOST_BYTES,
        backoff_seconds: float = 1.0,
    ) -> None:
        self._configuration = configuration
        self._answers: dict[str, type[BaseModel]] = {REASON: LatentAttributes, WRITE: answer_model(configuration)}
        self._settings = configuration.generation
        self._journal = journal
        self._record = record
        self._session = record.session(fingerprint)
        self._dialect = Dialect(configuration) if dialect is None else dialect
        self._most_requests = most_requests
        self._most_bytes = most_bytes
        self._api = BatchApi(configuration, endpoint, backoff_seconds=backoff_seconds)

    async def __aenter__(self) -> ProviderBatches:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._api.__aexit__(kind, error, trace)

    async def collect(self) -> None:
        """Keep the answers of every batch that has ended, and settle what a kill left open.

        Raises:
            GenerationError: The endpoint cannot be used, or no request can succeed (quota exhausted, key refused).
            RunError: The journal or the record cannot be written.
        """
        for submission in self._record.open():
            batch_id = submission.batch_id or await self._settle(submission)
            if batch_id is None:
                continue
            batch = await self._api.retrieve(batch_id)
            if batch is None:
                self._require_ours(batch_id)
            elif batch.status not in ENDED:
                log.info("generate: batch %s is %s%s", batch_id, batch.status, _progress(batch))
                continue
            await self._end(submission, batch)

    def answer(self, asked: Request) -> Answer | None:
        """Return how a request ended; None while it is in flight, or is yet to be submitted."""
        key = request.key(asked, self._configuration)
        request_id = content_id(asked.kind, asked.batch_id, key)
        ended = self._record.failures(key, self._session)
        failures = [failure for failure in ended if failure.outcome != outcomes.ASKED_OTHERWISE]
        counted = Counter(failure.outcome for failure in failures)
        entry = self._journal.get(key)
        if entry is not None:
            reused = not self._record.submitted(key)
            answer = answer_of(request_id, entry, asked, self._configuration)
            return answer._replace(reused=reused, failures=counted)
        if not ended or ended[-1].outcome == outcomes.ASKED_OTHERWISE:
            return None
        last = failures[-1]
        if last.outcome in outcomes.RETRIED and len(failures) < self._configuration.runtime.attempts:
            return None
        tokens_in = sum(failure.tokens_in for failure in failures)
        tokens_out = sum(failure.tokens_out for failure in failures)
        figures = (self._settings.model, tokens_in, tokens_out, 0.0, False, counted, tokens_in, tokens_out)
        return Answer(request_id, last.outcome, None, *figures, self._record.note(key, self._session).detail)

    async def submit(self, requests: Iterable[Request]) -> None:
        """Submit those requests that have no answer and are not in flight, as far as the ceiling leaves room.

        Raises:
            GenerationError: The endpoint cannot be used.
            RunError: The record cannot be written.
        """
        lines = await self._affordable(self._missing(requests))
        for part in _parts(lines, self._most_requests, self._most_bytes):
            tries = sorted((line.key, len(self._record.failures(line.key, self._session))) for line in part)
            digest = hashlib.sha256(canonical([self._session, tries])).hexdigest()
            self._record.intend(digest, self._session, {line.key: line.sent for line in part})
            batch = await self._api.submit(digest, b"".join(line.text for line in part))
            self._record.created(digest, batch.id)
            log.info("generate: batch %s holds %d requests", batch.id, len(part))

    def in_flight(self, requests: Iterable[Request]) -> list[str]:
        """Return the ids of the batches that hold one of these requests and have not ended."""
        wanted = {request.key(asked, self._configuration) for asked in requests}
        return [
            submission.batch_id
            for submission in self._record.open()
            if submission.batch_id is not None and not wanted.isdisjoint(submission.sent)
        ]

    async def _settle(self, submission: Submission) -> str | None:
        """Return the batch whose submission a kill interrupted, or None: then its requests are missing again."""
        batch = await self._api.find(submission.digest)
        if batch is None:
            self._record.dropped(submission.digest)
            return None
        self._record.created(submission.digest, batch.id)
        return batch.id

    def _require_ours(self, batch_id: str) -> None:
        """Stop where a batch that was paid for cannot be seen; only the embedded writer forgets them at its end."""
        if self._settings.endpoint == EMBEDDED:
            log.warning("generate: the embedded writer was started anew and has no batch %s", batch_id)
            return
        raise EndpointError(
            f"{self._settings.endpoint} does not know batch {batch_id}, which was submitted there.",
            cause="the key belongs to another project",
            remedy="use the key it was submitted with; if the batch is lost for good, delete the run's "
            "provider-batches.jsonl and its requests are paid again",
        )

    def _missing(self, requests: Iterable[Request]) -> dict[str, Request]:
        """Return the requests to be submitted; identical ones are submitted once."""
        flying = {key for submission in self._record.open() for key in submission.sent}
        missing: dict[str, Request] = {}
        for asked in requests:
            key = request.key(asked, self._configuration)
            if key not in flying and self.answer(asked) is None:
                missing.setdefault(key, asked)
        return missing

    async def _affordable(self, missing: dict[str, Request]) -> list[_Line]:
        """Return the requests that fit under the ceiling even if they and all in flight cost the most they can."""
        budget = Budget(self._settings.budget, "batch")
        budget.correction = self._record.correction()
        for tokens_in, tokens_out in self._record.spent():
            budget.count(tokens_in, tokens_out)
        lines = []
        for key, asked in missing.items():
            body = self._dialect.parameters(asked, self._record.note(key, self._session).room)
            sent = Sent(asked.kind, request.most_tokens(body), self._dialect.limit_of(body))
            reservation = await budget.reserve(sent.tokens_in, sent.tokens_out)
            if reservation is None:
                continue
            # Spent until it has ended, which another process will see: this one does not wait for it.
            budget.settle(reservation, None, None)
            content = {"custom_id": key, "method": "POST", "url": COMPLETIONS, "body": body}
            lines.append(_Line(key, sent, canonical(content) + b"\n"))
        return lines

    async def _end(self, submission: Submission, batch: Batch | None) -> None:
        """Put a batch's good answers into the journal, then note how all its requests ended."""
        found: dict[str, Reply | Failure] = {}
        files = [] if batch is None else [batch.output_file_id, batch.error_file_id]
        for file_id in filter(None, files):
            content = await self._api.content(file_id)
            bodies = await self._bodies(batch, content)
            for key, ended in _read(content, submission, bodies, self._answers):
                if isinstance(found.get(key), Reply):
                    continue
                found[key] = ended
                self._adapt(ended, bodies.get(key))
        seconds = _seconds(batch)
        entries = [
            self._entry(key, ended, submission.sent[key], seconds)
            for key, ended in found.items()
            if isinstance(ended, Reply)
        ]
        # Together: they share writes.
        await asyncio.gather(*[self._journal.add(entry) for entry in entries])
        missing, said = Ended(await self._without_answer(batch), 0, 0), complaints.shown(_complaints(batch))
        correction = self._record.correction()
        ends = {
            key: _ended(found[key], sent, correction) if key in found else missing
            for key, sent in submission.sent.items()
        }
        notes = {key: Note(ended.detail, ended.room) for key, ended in found.items() if isinstance(ended, Failure)}
        if said:
            notes |= {key: Note(said) for key in submission.sent if key not in found}
        self._record.ended(submission.digest, ends, notes)
        counted = dict(sorted(Counter(end.outcome for end in ends.values()).items()))
        if batch is not None:
            log.info("generate: batch %s %s: %s%s", batch.id, batch.status, counted, _complaints(batch))
        for failure in found.values():
            if isinstance(failure, Failure) and failure.outcome in outcomes.FINAL:
                raise final_error(failure, self._settings)
        if missing.outcome in outcomes.FINAL:
            raise final_error(Failure(missing.outcome, _complaints(batch)), self._settings)

    async def _bodies(self, batch: Batch | None, content: bytes) -> dict[str, dict[str, Any]]:
        """Return the body of each request of a batch, by key; downloaded only where some were refused."""
        if batch is None or not _REFUSED.search(content):
            return {}
        bodies = {}
        for line in (await self._api.content(batch.input_file_id)).split(b"\n"):
            try:
                read = json.loads(line)
                bodies[str(read["custom_id"])] = dict(read["body"])
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
        return bodies

    def _adapt(self, ended: Reply | Failure, body: dict[str, Any] | None) -> None:
        """Learn from how a request of a batch ended how the next round is to be asked."""
        if isinstance(ended, Failure) and body is not None:
            adapt(ended, _LEAST_TOKENS, body, self._dialect, self._configuration)

    async def _without_answer(self, batch: Batch | None) -> str:
        """Return the outcome of the requests for which a batch gave nothing."""
        outcome, said = _without_answer(batch), _complaints(batch)
        if batch is not None and batch.status == "failed" and outcome == outcomes.SERVER_ERROR:
            body = next(iter((await self._bodies(batch, b'"status_code": 400')).values()), None)
            failure = outcomes.of_refusal(400, Complaint(said), None, body)
            if body is not None and failure.refusal is not None and not failure.refusal.overflow:
                adapt(failure, 0, body, self._dialect, self._configuration)
                outcome = failure.outcome if failure.outcome in (outcomes.ASKED_OTHERWISE, *outcomes.FINAL) else outcome
        return outcome

    def _entry(self, key: str, reply: Reply, sent: Sent, seconds: float) -> Entry:
        """Return a good answer as the journal keeps it, with what its failed rounds cost."""
        failures = self._record.failures(key, self._session)
        tokens_in, tokens_out = believed(reply.tokens_in, sent.tokens_in), believed(reply.tokens_out, sent.tokens_out)
        if tokens_in is not None:
            tokens_in += sum(failure.tokens_in for failure in failures)
        if tokens_out is not None:
            tokens_out += sum(failure.tokens_out for failure in failures)
        return Entry(key, reply.text, reply.model, tokens_in, tokens_out, seconds)


def _parts(lines: Sequence[_Line], most_requests: int, most_bytes: int) -> Iterator[list[_Line]]:
    """Yield the requests in order, cut into files that a provider takes."""
    part: list[_Line] = []
    size = 0
    for line in lines:
        if part and (len(part) == most_requests or size + len(line.text) > most_bytes):
            yield part
            part, size = [], 0
        part.append(line)
        size += len(line.text)
    if part:
        yield part


def _read(
    content: bytes,
    submission: Submission,
    bodies: Mapping[str, dict[str, Any]],
    answers: Mapping[str, type[BaseModel]],
) -> Iterator[tuple[str, Reply | Failure]]:
    """Yield how requests ended, from the lines of an output or error file; a line of no known request is skipped.

    A request that a batch did not get to (expired, cancelled) is not among them: its line has no response.
    """
    for line in content.split(b"\n"):
        try:
            read = json.loads(line)
            key, response = read["custom_id"], read["response"]
            sent = submission.sent[key]
            status, body = response["status_code"], response["body"]
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
        try:
            yield key, _of_response(status, body, answers[sent.kind], bodies.get(key))
        except Failure as failure:
            yield key, failure


def _of_response(status: Any, body: Any, model: type[BaseModel], sent: dict[str, Any] | None) -> Reply:
    """Return the answer in one line's response.

    Raises:
        Failure: There is none.
    """
    if status == 200 and isinstance(body, dict | list):
        return outcomes.of_completion(body, model, None, sent)
    if type(status) is not int or status == 200:
        raise Failure(outcomes.INVALID_OUTPUT, "the line of the batch is no response")
    raise outcomes.of_refusal(status, complaints.complaint(body), None, sent)


def _ended(ended: Reply | Failure, sent: Sent, correction: Correction) -> Ended:
    """Return how a request ended and what it cost: as reported, or for an answer without a report the most it can be.

    Providers bill what a batch has answered; a line with an error costs nothing.
    """
    outcome = outcomes.OK if isinstance(ended, Reply) else ended.outcome
    if outcome not in outcomes.ANSWERED:
        return Ended(outcome, 0, 0)
    most_in, most_out = correction.most(sent.tokens_in, sent.tokens_out)
    tokens_in, tokens_out = believed(ended.tokens_in, sent.tokens_in), believed(ended.tokens_out, sent.tokens_out)
    outcome = outcomes.CONTEXT_TOO_LONG if isinstance(ended, Failure) and ended.context_full else outcome
    return Ended(outcome, most_in if tokens_in is None else tokens_in, most_out if tokens_out is None else tokens_out)


def _without_answer(batch: Batch | None) -> str:
    """Return the outcome of the requests for which a batch gave nothing."""
    if batch is None:
        return outcomes.TIMEOUT
    codes = {error.code for error in (batch.errors.data if batch.errors else None) or [] if isinstance(error.code, str)}
    if outcomes.of_status(400, codes) == outcomes.QUOTA_EXHAUSTED:
        return outcomes.QUOTA_EXHAUSTED
    return _WITHOUT_ANSWER.get(batch.status, outcomes.SERVER_ERROR)


def _complaints(batch: Batch | None) -> str:
    """Return what a provider says about a batch that failed."""
    errors = (batch.errors.data if batch is not None and batch.errors else None) or []
    told = ", ".join(f"{error.code}: {' '.join(str(error.message).split())}" for error in errors[:3])
    return f" ({told[:_MESSAGE_CHARACTERS]})" if told else ""


def _progress(batch: Batch) -> str:
    counts = batch.request_counts
    return f", {counts.completed + counts.failed}/{counts.total} requests done" if counts is not None else ""


def _seconds(batch: Batch | None) -> float:
    """Return how many seconds a batch took, as the provider tells it."""
    if batch is None or not isinstance(batch.created_at, int):
        return 0.0
    ended = batch.completed_at or batch.expired_at or batch.cancelled_at or batch.failed_at
    return float(max(0, ended - batch.created_at)) if isinstance(ended, int) else 0.0
