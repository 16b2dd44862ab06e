"""An embedded writer for the tests of a file, and an openai client of it."""

from __future__ import annotations

import openai
import pytest

from synalign.writer.server import embedded_writer


@pytest.fixture(scope="module")
def url():
    with embedded_writer() as url:
        yield url


@pytest.fixture(scope="module")
def client(url):
    with openai.OpenAI(base_url=url, api_key="none", max_retries=0, timeout=10) as client:
        yield client
