"""Doubles of the servers that speak the chat-completions protocol, each in a way of its own.

None of them is the server that it is named after: it refuses what that one's documentation or bug reports say it
refuses, in that one's words and shape, and lets the embedded writer answer the rest. So a test shows what our client
does with such a refusal, not what the server does today.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, TypeVar

from synalign.writer.calls import Rejected
from synalign.writer.completions import complete

_Http = TypeVar("_Http", bound=ThreadingHTTPServer)

Refusal = tuple[int, Any]


class Kind(NamedTuple):
    """A kind of server.

    Attributes:
        refuse: Status and body for a request that it does not take; None where it takes it.
        spoil: What it makes of a good completion.
    """

    refuse: Callable[[dict[str, Any]], Refusal | None]
    spoil: Callable[[dict[str, Any], dict[str, Any]], Any] = lambda request, completion: completion


def form(request: dict[str, Any]) -> str:
    """The form in which a request asks for structured output."""
    if "tools" in request:
        return "tool"
    return str(request.get("response_format", {"type": "prompt"})["type"])


def limit(request: dict[str, Any]) -> int:
    """The most tokens of the answer that a request allows."""
    return int(next(value for name, value in request.items() if name.startswith("max_")))


def prompt_tokens(request: dict[str, Any]) -> int:
    """How many tokens the doubles count in a prompt."""
    return sum(len(message["content"]) for message in request["messages"]) // 4


def openai_error(message: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def _openai_reasoning(request: dict[str, Any]) -> Refusal | None:
    if "max_tokens" in request:
        text = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        return 400, openai_error(text, "unsupported_parameter", "max_tokens")
    if request.get("temperature", 1) != 1:
        text = (
            "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) is supported."
        )
        return 400, openai_error(text, "unsupported_value", "temperature")
    return None


def _old_azure(request: dict[str, Any]) -> Refusal | None:
    if "max_completion_tokens" in request:
        return 400, openai_error("Unrecognized request argument supplied: max_completion_tokens")
    if "seed" in request:
        return 400, openai_error("Unrecognized request argument supplied: seed")
    if form(request) == "json_schema":
        text = "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"
        return 400, {"error": {"code": "BadRequest", "message": text}}
    return None


def _fastapi(request: dict[str, Any]) -> Refusal | None:
    for name in ("seed", "max_completion_tokens", "response_format"):
        if name in request and (name != "response_format" or form(request) == "json_schema"):
            place = {"loc": ["body", name], "msg": "field not allowed", "type": "value_error.extra", "input": "secret"}
            return 422, {"detail": [place]}
    return None


def _mistral(request: dict[str, Any]) -> Refusal | None:
    for name in ("seed", "max_completion_tokens"):
        if name in request:
            place = {
                "type": "extra_forbidden",
                "loc": ["body", name],
                "msg": "Extra inputs are not permitted",
                "input": 1,
            }
            return 422, {
                "object": "error",
                "message": {"detail": [place]},
                "type": "invalid_request_error",
                "code": None,
            }
    return None


def _vllm_of(window: int) -> Callable[[dict[str, Any]], Refusal | None]:
    def refuse(request: dict[str, Any]) -> Refusal | None:
        sent, most = prompt_tokens(request), limit(request)
        if sent + most <= window:
            return None
        text = (
            f"This model's maximum context length is {window} tokens. However, you requested {sent + most} tokens "
            f"({sent} in the messages, {most} in the completion). Please reduce the length."
        )
        return 400, {"object": "error", "message": text, "type": "BadRequestError", "param": None, "code": 400}

    return refuse


def _llama_cpp_of(window: int) -> Callable[[dict[str, Any]], Refusal | None]:
    def refuse(request: dict[str, Any]) -> Refusal | None:
        sent = prompt_tokens(request)
        if "tools" in request:
            return 500, {"error": {"code": 500, "message": "tools param requires --jinja flag", "type": "server_error"}}
        if sent < window:
            return None
        text = "the request exceeds the available context size. try increasing the context size or enable context shift"
        error = {
            "code": 400,
            "message": text,
            "type": "exceed_context_size_error",
            "n_prompt_tokens": sent,
            "n_ctx": window,
        }
        return 400, {"error": error}

    return refuse


def _tgi_of(window: int) -> Callable[[dict[str, Any]], Refusal | None]:
    def refuse(request: dict[str, Any]) -> Refusal | None:
        sent, most = prompt_tokens(request), limit(request)
        if sent + most <= window:
            return None
        text = (
            f"Input validation error: `inputs` tokens + `max_new_tokens` must be <= {window}. Given: {sent} `inputs` "
            f"tokens and {most} `max_new_tokens`"
        )
        return 422, {"error": text, "error_type": "validation"}

    return refuse


def _deepseek(request: dict[str, Any]) -> Refusal | None:
    if form(request) == "json_schema":
        return 400, openai_error("This response_format type is unavailable now")
    if limit(request) > 2048:
        return 400, openai_error("Invalid max_tokens value, the valid range of max_tokens is [1, 2048]")
    return None


def _litellm(request: dict[str, Any]) -> Refusal | None:
    if "seed" in request or form(request) == "json_schema":
        names = [name for name in ("response_format", "seed") if name in request]
        text = (
            f"litellm.UnsupportedParamsError: x does not support parameters: {names}, for model=y. To drop these, set "
        )
        return 400, {
            "error": {"message": text + "`litellm.drop_params=True`", "type": "None", "param": "None", "code": "400"}
        }
    return None


def _gemini(request: dict[str, Any]) -> Refusal | None:
    if "seed" in request:
        text = 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'
        return 400, [{"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}]
    return None


def _tools_alone(request: dict[str, Any]) -> Refusal | None:
    if "response_format" in request:
        return 501, {
            "error": {
                "code": 501,
                "message": "This server does not support response_format",
                "type": "not_supported_error",
            }
        }
    return None


def _words_alone(request: dict[str, Any]) -> Refusal | None:
    if "response_format" in request:
        return 400, {"error": "Grammar is not supported", "error_type": "validation"}
    if "tools" in request:
        return 400, openai_error("registry.ollama.ai/library/tiny does not support tools")
    return None


def _streams_alone(request: dict[str, Any]) -> Refusal | None:
    if not request.get("stream"):
        return 400, openai_error("This model only support stream mode, please enable the stream parameter.")
    if "stream_options" in request:
        return 400, openai_error("Unrecognized request argument supplied: stream_options")
    return None


def _takes_all(request: dict[str, Any]) -> Refusal | None:
    return None


def content_of(completion: dict[str, Any]) -> str:
    message = completion["choices"][0]["message"]
    return str(message["content"] or message["tool_calls"][0]["function"]["arguments"])


def with_message(completion: dict[str, Any], **message: Any) -> dict[str, Any]:
    choice = {**completion["choices"][0], "message": {"role": "assistant", **message}}
    return {**completion, "choices": [choice]}


def _anthropic(request: dict[str, Any], completion: dict[str, Any]) -> Any:
    if (
        form(request) in ("json_schema", "json_object")
        and "Answer with one JSON object" not in request["messages"][0]["content"]
    ):
        return with_message(completion, content="Of course! Here are the queries you asked for: one, two, three.")
    return completion


def _thinks_aloud(request: dict[str, Any], completion: dict[str, Any]) -> Any:
    thoughts = '<think>\nSay {"documents": []}? No.\n</think>\n\n'
    text = f"{thoughts}Here it is:\n```json\n{content_of(completion)}\n```\nEnjoy!"
    return {**with_message(completion, content=text), "usage": None}


def _in_parts(request: dict[str, Any], completion: dict[str, Any]) -> Any:
    parts = [{"type": "reasoning", "text": "{}"}, {"type": "text", "text": content_of(completion)}]
    return with_message(completion, content=parts)


def _in_thoughts(request: dict[str, Any], completion: dict[str, Any]) -> Any:
    return with_message(completion, content="", reasoning_content=content_of(completion))


def _streamed(request: dict[str, Any], completion: dict[str, Any]) -> Any:
    text = content_of(completion)
    parts = [text[start : start + 50] for start in range(0, len(text), 50)]
    events = [{"model": "m", "choices": [{"index": 0, "delta": {"content": part}}]} for part in parts]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": completion["usage"]})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


KINDS = {
    "openai reasoning model": Kind(_openai_reasoning),
    "old azure": Kind(_old_azure),
    "vllm": Kind(_vllm_of(1100)),
    "llama.cpp": Kind(_llama_cpp_of(800)),
    "tgi": Kind(_tgi_of(1100)),
    "fastapi": Kind(_fastapi),
    "mistral": Kind(_mistral),
    "deepseek": Kind(_deepseek),
    "litellm": Kind(_litellm),
    "gemini": Kind(_gemini),
    "anthropic": Kind(_takes_all, _anthropic),
    "tools alone": Kind(_tools_alone),
    "words alone": Kind(_words_alone),
    "thinks aloud": Kind(_takes_all, _thinks_aloud),
    "content in parts": Kind(_takes_all, _in_parts),
    "content in thoughts": Kind(_takes_all, _in_thoughts),
    "streams alone": Kind(_streams_alone, lambda request, completion: _streamed(request, completion)),
    "streams unasked": Kind(_takes_all, _streamed),
}


class Server(ThreadingHTTPServer):
    """A double on loopback.

    Attributes:
        url: Its base URL.
        asked: Every request: path with query, headers, body.
        billed: How often each request was answered, by its messages.
        refused: How many requests were refused.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, kind: Kind) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kind = kind
        self.url = f"http://127.0.0.1:{self.server_port}/v1"
        self.asked: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.billed: Counter[str] = Counter()
        self.refused = 0
        self.lock = threading.Lock()

    def reply(self, request: dict[str, Any]) -> tuple[int, bytes]:
        refused = self.kind.refuse(request)
        if refused is None:
            try:
                whole = {name: value for name, value in request.items() if not name.startswith("stream")}
                body = self.kind.spoil(request, complete(whole))
            except Rejected as rejected:
                # What has no schema gets what a model would say.
                body = self.kind.spoil(request, _prose(rejected))
            with self.lock:
                self.billed[hashlib.sha256(str(request["messages"][-1]).encode()).hexdigest()] += 1
            return 200, (body if isinstance(body, str) else json.dumps(body)).encode()
        with self.lock:
            self.refused += 1
        status, body = refused
        return status, (body if isinstance(body, str) else json.dumps(body)).encode()


def _prose(rejected: Rejected) -> dict[str, Any]:
    message = {"role": "assistant", "content": f"I would rather not: {rejected}"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    return {"model": "m", "choices": [{"index": 0, "finish_reason": "stop", "message": message}], "usage": usage}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: Server

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append((self.path, dict(self.headers), request))
        status, content = self.server.reply(request)
        self.send_response(status)
        kind = "text/event-stream" if content.startswith(b"data:") else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def running(kind: Kind | str) -> Iterator[Server]:
    """A double, running meanwhile."""
    with serving(Server(KINDS[kind] if isinstance(kind, str) else kind)) as server:
        yield server


@contextmanager
def serving(server: _Http) -> Iterator[_Http]:
    """Any server of the standard library, running meanwhile in a thread."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
