"""The batch API of the embedded writer: files and batches, kept in memory as long as the server lives.

A batch takes a settable time (`Faults.batch_seconds`) and is worked on when a client asks for it after that. Whole
batches meet faults (`batch-expiry`, `batch-validation`), and so do single requests in them (`500`, `refusal`, ...).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from synalign.writer.calls import Call, Rejected, Reply, Route
from synalign.writer.completions import complete
from synalign.writer.faults import TRANSPORT, error_answer, spoil

ENDPOINT = "/v1/chat/completions"
MOST_REQUESTS = 50_000

_FAULTS = TRANSPORT | {"truncated-body", "quota"}
_BATCH_FAULTS = frozenset({"batch-expiry", "batch-validation"})
_LINE_FAULTS = frozenset({"500", "wrong-json", "wrong-schema", "refusal"})
_STATE = "batches"
_PAGE = 20
_CREATING = threading.Lock()


class _Store:
    """Files and batches of one server.

    Attributes:
        lock: Held by whoever reads or changes them.
        files: Id to the file's description and content.
        batches: Id to the batch as it is shown, oldest first.
        due: Id of a batch to when its work is done, on the monotonic clock.
        tries: How often each request was part of a batch.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.due: dict[str, float] = {}
        self.tries: Counter[str] = Counter()

    def add(self, name: str, content: bytes, purpose: str) -> dict[str, Any]:
        """Keep a file."""
        shown: dict[str, Any] = {
            "id": f"file-{uuid.uuid4().hex}",
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": name,
            "purpose": purpose,
            "status": "processed",
        }
        self.files[shown["id"]] = shown, content
        return shown


@contextmanager
def _store(call: Call) -> Iterator[_Store]:
    """Yield the files and batches of the server, while no other thread reads or changes them."""
    with _CREATING:
        store: _Store = call.state.setdefault(_STATE, _Store())
    with store.lock:
        yield store


def _upload(call: Call) -> Reply:
    fields = _multipart(call)
    if "file" not in fields or fields.get("purpose", ("", b""))[1] != b"batch":
        raise Rejected(400, "invalid_request", "a file and the purpose batch are required")
    with _store(call) as store:
        return Reply.of(store.add(*fields["file"], "batch"))


def _describe(call: Call) -> Reply:
    return Reply.of(_file(call)[0])


def _content(call: Call) -> Reply:
    return Reply(_file(call)[1], "application/octet-stream")


def _file(call: Call) -> tuple[dict[str, Any], bytes]:
    with _store(call) as store:
        if call.parts[0] not in store.files:
            raise Rejected(404, "not_found", f"no such file {call.parts[0][:100]!r}")
        return store.files[call.parts[0]]


def _create(call: Call) -> Reply:
    asked = call.json()
    if not isinstance(asked, dict) or asked.get("endpoint") != ENDPOINT or asked.get("completion_window") != "24h":
        raise Rejected(400, "invalid_request", f"endpoint must be {ENDPOINT}, completion_window 24h")
    metadata = asked.get("metadata")
    if metadata is not None and not _fits(metadata):
        raise Rejected(400, "invalid_metadata", "metadata is at most 16 pairs of at most 64 and 512 characters")
    now = int(time.time())
    with _store(call) as store:
        if asked.get("input_file_id") not in store.files:
            raise Rejected(400, "invalid_file", "no such input file")
        batch = {
            "id": f"batch_{uuid.uuid4().hex}",
            "object": "batch",
            "endpoint": ENDPOINT,
            "input_file_id": asked["input_file_id"],
            "completion_window": "24h",
            "status": "in_progress",
            "created_at": now,
            "expires_at": now + 86_400,
            "metadata": metadata,
            "errors": None,
            "output_file_id": None,
            "error_file_id": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
        }
        store.batches[batch["id"]] = batch
        store.due[batch["id"]] = time.monotonic() + call.faults.batch_seconds
        return Reply.of(batch)


def _retrieve(call: Call) -> Reply:
    with _store(call) as store:
        return Reply.of(_seen(store, call))


def _cancel(call: Call) -> Reply:
    with _store(call) as store:
        batch = _seen(store, call)
        if batch["status"] == "in_progress":
            batch.update(status="cancelled", cancelled_at=int(time.time()))
        return Reply.of(batch)


def _list(call: Call) -> Reply:
    """List batches, newest first, a page at a time."""
    limit = call.query.get("limit", str(_PAGE))
    with _store(call) as store:
        newest = list(reversed(store.batches))
        after = call.query.get("after")
        start = newest.index(after) + 1 if after in newest else 0
        size = int(limit) if limit.isdecimal() and 1 <= int(limit) <= 100 else _PAGE
        page = newest[start : start + size]
        for batch_id in page:
            _work(store, store.batches[batch_id], call)
        shown = [store.batches[batch_id] for batch_id in page]
        ends = {"first_id": page[0], "last_id": page[-1]} if page else {}
        return Reply.of({"object": "list", "data": shown, "has_more": start + size < len(newest), **ends})


def _seen(store: _Store, call: Call) -> dict[str, Any]:
    if call.parts[0] not in store.batches:
        raise Rejected(404, "not_found", f"no such batch {call.parts[0][:100]!r}")
    batch = store.batches[call.parts[0]]
    _work(store, batch, call)
    return batch


def _work(store: _Store, batch: dict[str, Any], call: Call) -> None:
    """Answer a batch's requests when it is due."""
    if batch["status"] != "in_progress" or time.monotonic() < store.due[batch["id"]]:
        return
    content = store.files[batch["input_file_id"]][1]
    digest = hashlib.sha256(content).hexdigest()
    store.tries[digest] += 1
    fault = call.faults.chosen(digest, store.tries[digest], _BATCH_FAULTS)
    now = int(time.time())
    requests = _requests(content)
    if requests is None or fault == "batch-validation":
        code = "invalid_json_line" if requests is None else "token_limit_exceeded"
        error = {"code": code, "message": "The batch was not begun.", "line": None, "param": None}
        batch.update(status="failed", failed_at=now, errors={"object": "list", "data": [error]})
        return
    expired = fault == "batch-expiry"
    done = requests[: len(requests) // 2] if expired else requests
    lines = [_line(request, _answer(store, request, call)) for request in done]
    lines += [_line(request, None) for request in requests[len(done) :]]
    good, bad = ([line for line in lines if _is_good(line) == wanted] for wanted in (True, False))
    for field, part in (("output_file_id", good), ("error_file_id", bad)):
        if part:
            text = "".join(json.dumps(line) + "\n" for line in part)
            batch[field] = store.add(f"{batch['id']}_{field[:-8]}.jsonl", text.encode(), "batch_output")["id"]
    counts = {"total": len(lines), "completed": len(good), "failed": len(bad)}
    batch.update(request_counts=counts, status="expired" if expired else "completed")
    batch["expired_at" if expired else "completed_at"] = now


def _is_good(line: dict[str, Any]) -> bool:
    return line["response"] is not None and line["response"]["status_code"] == 200


def _requests(content: bytes) -> list[dict[str, Any]] | None:
    """Return the requests of an input file; None where it is not as it must be."""
    try:
        requests = [json.loads(line) for line in content.splitlines() if line.strip()]
        ids = [request["custom_id"] for request in requests]
        right = all(
            (request["method"], request["url"]) == ("POST", ENDPOINT) and isinstance(request["body"], dict)
            for request in requests
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not right or not ids or len(set(map(str, ids))) < len(ids) or len(ids) > MOST_REQUESTS:
        return None
    return requests


def _answer(store: _Store, request: dict[str, Any], call: Call) -> tuple[int, dict[str, Any]]:
    """Return status and body for one request of a batch."""
    digest = hashlib.sha256(json.dumps(request["body"], sort_keys=True).encode()).hexdigest()
    store.tries[digest] += 1
    fault = call.faults.chosen(digest, store.tries[digest], _LINE_FAULTS)
    try:
        failed = error_answer(fault, call.faults) if fault is not None else None
        if failed is not None:
            raise failed
        body = json.dumps(complete(request["body"])).encode()
    except Rejected as rejected:
        return rejected.status, rejected.body
    call.tally.pay(digest)
    content: dict[str, Any] = json.loads(spoil(fault, body) if fault is not None else body)
    return 200, content


def _line(request: dict[str, Any], answer: tuple[int, dict[str, Any]] | None) -> dict[str, Any]:
    """Return a line of an output or error file."""
    line: dict[str, Any] = {"id": f"batch_req_{uuid.uuid4().hex}", "custom_id": request["custom_id"]}
    if answer is None:
        error = {"code": "batch_expired", "message": "This request could not be executed before the batch expired."}
        return {**line, "response": None, "error": error}
    status, body = answer
    return {**line, "response": {"status_code": status, "request_id": uuid.uuid4().hex, "body": body}, "error": None}


def _fits(metadata: Any) -> bool:
    return (
        isinstance(metadata, dict)
        and len(metadata) <= 16
        and all(isinstance(value, str) and len(value) <= 512 and len(key) <= 64 for key, value in metadata.items())
    )


def _multipart(call: Call) -> dict[str, tuple[str, bytes]]:
    """Return the fields of a form: name to file name and content.

    Raises:
        Rejected: The body is no form.
    """
    boundary = re.search(r'boundary="?([^";]+)"?', call.headers.get("content-type", ""))
    if not call.headers.get("content-type", "").startswith("multipart/form-data") or boundary is None:
        raise Rejected(400, "invalid_form", "the body must be multipart/form-data")
    fields: dict[str, tuple[str, bytes]] = {}
    for part in (b"\r\n" + call.body).split(b"\r\n--" + boundary[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        found = dict(re.findall(r'(name|filename)="([^"]*)"', head.decode("utf-8", "replace")))
        fields[found.get("name", "")] = found.get("filename", ""), content
    return fields


ROUTES = (
    Route("POST", re.compile("/v1/files"), _upload, _FAULTS),
    Route("GET", re.compile("/v1/files/([^/]+)"), _describe, _FAULTS),
    Route("GET", re.compile("/v1/files/([^/]+)/content"), _content, _FAULTS),
    Route("POST", re.compile("/v1/batches"), _create, _FAULTS),
    Route("GET", re.compile("/v1/batches"), _list, _FAULTS),
    Route("GET", re.compile("/v1/batches/([^/]+)"), _retrieve, _FAULTS),
    Route("POST", re.compile("/v1/batches/([^/]+)/cancel"), _cancel, _FAULTS),
)
