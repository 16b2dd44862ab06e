"""Doubles of Google Cloud Storage and of Azure's Blob storage: no emulator that can be had here has their conditions.

They answer the requests that obstore sends, as the clouds' documentation has them: at Google the XML API, which is S3's
with `x-goog-if-generation-match` and `x-goog-generation` (in front of moto, which keeps the objects); at Azure *Put
Blob*, *Put Block*, *Put Block List*, *Get Blob*, *Delete Blob* and *List Blobs*, with `If-Match` and `If-None-Match`.
Neither checks a key; both want to be shown one.
"""

from __future__ import annotations

import itertools
import logging
import re
import threading
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import Any
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.wrappers import Request, Response

HOST = "127.0.0.1"
TOKEN = "ya29.google-token-0123456789"
KEY = "YXp1cmUta2V5LTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA="
_PAGE = 100
_KNOWN = "AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


class Google:
    """A WSGI application: Google's XML API, one request that writes after another."""

    def __init__(self) -> None:
        self._s3 = DomainDispatcherApplication(create_backend_app)
        self._generations: dict[str, int] = {}
        self._counter = itertools.count(1_700_000_000_000_000)
        self._writing = threading.Lock()

    def __call__(self, environment: dict[str, Any], respond: Any) -> Iterable[bytes]:
        if environment.pop("HTTP_AUTHORIZATION", "") != f"Bearer {TOKEN}":
            return Response("<Error><Code>AccessDenied</Code></Error>", 403)(environment, respond)
        # moto looks at the address as it was sent, and obstore sends `%2D` for `-`.
        sent = f"{quote(environment['PATH_INFO'].encode('latin-1'))}?{environment['QUERY_STRING']}"
        environment.update({name: sent for name in ("RAW_URI", "REQUEST_URI")})
        environment["HTTP_AUTHORIZATION"] = _KNOWN
        if environment["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._passed(environment, respond)
        with self._writing:
            return self._written(environment, respond)

    def _written(self, environment: dict[str, Any], respond: Any) -> Iterable[bytes]:
        key, method = environment["PATH_INFO"], environment["REQUEST_METHOD"]
        wanted = environment.get("HTTP_X_GOOG_IF_GENERATION_MATCH")
        there = self._generations.get(key, 0)
        if wanted is not None and int(wanted) != there:
            return Response("<Error><Code>PreconditionFailed</Code></Error>", 412)(environment, respond)
        if method == "DELETE" and "uploadId" not in environment["QUERY_STRING"]:
            if not there:
                return Response("<Error><Code>NoSuchKey</Code></Error>", 404)(environment, respond)
            del self._generations[key]
        whole = method == "PUT" and "partNumber" not in environment["QUERY_STRING"]
        if whole or (method == "POST" and "uploadId" in environment["QUERY_STRING"]):
            self._generations[key] = next(self._counter)
        return self._passed(environment, respond)

    def _passed(self, environment: dict[str, Any], respond: Any) -> Iterable[bytes]:
        generation = self._generations.get(environment["PATH_INFO"])

        def with_generation(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            added = [("x-goog-generation", str(generation))] if generation else []
            return respond(status, [*headers, *added], *more)

        return self._s3(environment, with_generation)


class Azure:
    """A WSGI application: the Blob service of one account, one request after another."""

    def __init__(self) -> None:
        self._blobs: dict[str, tuple[bytes, str]] = {}
        self._blocks: dict[tuple[str, str], bytes] = {}
        self._containers: set[str] = set()
        self._counter = itertools.count(0x8D0000000000000)
        self._one = threading.Lock()

    def __call__(self, environment: dict[str, Any], respond: Any) -> Iterable[bytes]:
        request = Request(environment)
        with self._one:
            return self._answer(request)(environment, respond)

    def _answer(self, request: Request) -> Response:
        if not request.headers.get("Authorization", "").startswith("SharedKey shop:"):
            return _error("AuthenticationFailed", 403)
        container, _, name = request.path.lstrip("/").partition("/")
        comp = request.args.get("comp")
        if request.method == "PUT" and request.args.get("restype") == "container":
            self._containers.add(container)
            return Response(status=201)
        if container not in self._containers:
            return _error("ContainerNotFound", 404)
        if comp == "list":
            return self._list(container, request)
        if comp == "batch":
            return self._delete_batch(request)
        if request.method == "PUT":
            return self._put(f"{container}/{name}", comp, request)
        found = self._blobs.get(f"{container}/{name}")
        if found is None:
            return _error("BlobNotFound", 404)
        if request.method == "DELETE":
            del self._blobs[f"{container}/{name}"]
            return Response(status=202)
        return _content(request, *found)

    def _put(self, name: str, comp: str | None, request: Request) -> Response:
        if comp == "block":
            self._blocks[name, request.args["blockid"]] = request.get_data()
            return Response(status=201)
        there = self._blobs.get(name)
        if request.headers.get("If-None-Match") == "*" and there is not None:
            return _error("BlobAlreadyExists", 409)
        match = request.headers.get("If-Match")
        if match is not None and (there is None or there[1] != match):
            return _error("ConditionNotMet", 412)
        content = request.get_data()
        if comp == "blocklist":
            ids = content.decode().replace("Uncommitted", "Latest").split("<Latest>")[1:]
            content = b"".join(self._blocks.pop((name, each.partition("<")[0])) for each in ids)
        tag = f'"0x{next(self._counter):X}"'
        self._blobs[name] = (content, tag)
        return Response(status=201, headers={"ETag": tag, "Last-Modified": formatdate(usegmt=True)})

    def _delete_batch(self, request: Request) -> Response:
        """Answer *Blob Batch*: a request within the request for each blob, an answer within the answer."""
        parts = re.findall(rb"Content-ID: *(\d+).*?DELETE /([^? ]+)", request.get_data(), re.S | re.I)
        answers = []
        for number, target in parts:
            gone = self._blobs.pop(unquote(target.decode()), None) is None
            said = "404 The specified blob does not exist.\r\nx-ms-error-code: BlobNotFound" if gone else "202 Accepted"
            answers.append(
                f"--batch\r\nContent-Type: application/http\r\nContent-ID: {number.decode()}\r\n\r\nHTTP/1.1 {said}\r\n"
                "x-ms-request-id: 0\r\n\r\n"
            )
        return Response("".join(answers) + "--batch--\r\n", 202, mimetype="multipart/mixed; boundary=batch")

    def _list(self, container: str, request: Request) -> Response:
        prefix, delimiter = request.args.get("prefix", ""), request.args.get("delimiter", "")
        names = sorted(name.partition("/")[2] for name in self._blobs if name.startswith(f"{container}/{prefix}"))
        entries: dict[str, str] = {}
        for name in names:
            rest = name.removeprefix(prefix)
            if delimiter and delimiter in rest:
                folder = prefix + rest.partition(delimiter)[0] + delimiter
                entries[folder] = f"<BlobPrefix><Name>{escape(folder)}</Name></BlobPrefix>"
                continue
            content, tag = self._blobs[f"{container}/{name}"]
            entries[name] = (
                f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{formatdate(usegmt=True)}</Last-Modified>"
                f"<Etag>{tag}</Etag><Content-Length>{len(content)}</Content-Length><Content-Type>application/octet-stream</Content-Type>"
                "</Properties></Blob>"
            )
        keys = sorted(key for key in entries if key >= request.args.get("marker", ""))
        shown, marker = keys[:_PAGE], keys[_PAGE] if len(keys) > _PAGE else ""
        body = "".join(entries[key] for key in shown)
        return Response(
            f'<?xml version="1.0" encoding="utf-8"?><EnumerationResults><Blobs>{body}</Blobs>'
            f"<NextMarker>{escape(marker)}</NextMarker></EnumerationResults>",
            mimetype="application/xml",
        )


def _content(request: Request, content: bytes, tag: str) -> Response:
    headers = {"ETag": tag, "Last-Modified": formatdate(usegmt=True)}
    wanted = request.range
    if wanted is None:
        return Response(content, headers={**headers, "Content-Length": str(len(content))})
    start, end = wanted.range_for_length(len(content)) or (0, 0)
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
    return Response(content[start:end], 206, headers=headers)


def _error(code: str, status: int) -> Response:
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{KEY}</Message></Error>'
    return Response(body, status, headers={"x-ms-error-code": code}, mimetype="application/xml")


def server(application: Callable[..., Iterable[bytes]]) -> BaseWSGIServer:
    """A server on a free port, which its `port` names; it is to be run."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    return make_server(HOST, 0, application, threaded=True)
