"""llama.cpp's own server with one model, on loopback, until standard input ends.

It is a program of its own, so that its threads and memory, and a crash in it, stay outside of the step that asks. Who
started it holds the other end of standard input: when that process ends, however it does, so does the server.

    python -m synalign.writer.llama_server model.gguf --slots 2 --context 4096
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

HOST = "127.0.0.1"
_PROMPT_CACHE_MIB = 256


def serve(model: Path, name: str, slots: int, context: int, threads: int, port: int) -> None:
    """Load a model, print the base URL of its server on one line, and serve until standard input ends.

    Args:
        model: A GGUF file.
        name: What the server calls it.
        slots: Requests that are answered at the same time; others wait.
        context: Tokens of one slot, prompt and answer together.
        threads: Threads that compute.
        port: 0: any free one.
    """
    # A package of the extra `local`.
    import xllamacpp

    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    settings.model_alias = {name}
    settings.hostnames = [HOST]
    settings.port = port
    settings.n_parallel = slots
    settings.n_ctx = slots * context
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    # Prompts of a batch begin alike; its default would keep 8 GiB of them.
    settings.cache_ram_mib = _PROMPT_CACHE_MIB
    settings.verbosity = -1
    server = xllamacpp.Server(settings)
    sys.stdout.write(f"{server.listening_address}/v1\n")
    sys.stdout.flush()
    sys.stdin.read()


def main() -> None:
    """Serve what the command line names."""
    parser = argparse.ArgumentParser(description="llama.cpp's server with one model, until standard input ends.")
    parser.add_argument("model", type=Path, help="GGUF file")
    parser.add_argument("--name", help="what the server calls it (default: the file's name)")
    parser.add_argument("--slots", type=int, default=2, help="requests answered at the same time (default: 2)")
    parser.add_argument("--context", type=int, default=4096, help="tokens of a request and its answer (default: 4096)")
    parser.add_argument("--threads", type=int, default=2, help="threads that compute (default: 2)")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0: any free one (default: 0)")
    given = parser.parse_args()
    serve(given.model, given.name or given.model.stem, given.slots, given.context, given.threads, given.port)


if __name__ == "__main__":
    main()
