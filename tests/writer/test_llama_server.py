"""The program that serves a model: what it prints, and when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from synalign.writer.local_model import weights_of

pytestmark = pytest.mark.slow


def test_it_says_where_it_is_and_ends_with_its_input() -> None:
    command = [sys.executable, "-m", "synalign.writer.llama_server", str(weights_of("smollm2-135m")), "--name", "ours"]
    command += ["--slots", "1", "--context", "512", "--threads", "1"]
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stdin is not None and server.stdout is not None
        url = server.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:") and url.endswith("/v1")
        with urllib.request.urlopen(f"{url}/models") as response:
            assert b'"ours"' in response.read()
        server.stdin.close()
        assert server.wait(30) == 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{url}/models")


def test_help_teaches() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "synalign.writer.llama_server", "--help"], capture_output=True, text=True, check=True
    )
    for option in ("--slots", "--context", "--threads", "--port", "until standard input ends"):
        assert option in done.stdout
