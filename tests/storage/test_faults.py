"""Object storage that is slow, refuses for a while, or whose answers are lost on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from synalign import flow
from synalign.errors import StorageError
from synalign.run import Run
from synalign.steps.job import perform
from synalign.storage import Place, StaleError, objects
from tests.bad_line import Line
from tests.run.made_steps import INTERVAL, ingest
from tests.storage.conftest import KEYS

# A client waits for seconds before it asks again.
pytestmark = pytest.mark.slow

METHODS = ("GET", "HEAD", "PUT", "POST")


@pytest.fixture
def line(bucket: Place, s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the server on which faults can be made to happen."""
    made = Line(urlsplit(s3_server).port)
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{made.server_port}")
    yield made
    made.shutdown()
    made.server_close()


@pytest.mark.parametrize("fault", [503, 500, "drop", "lost", 0.5])
def test_a_fault_that_passes_is_not_noticed(line: Line, bucket: Place, fault: object) -> None:
    file = bucket / "manifest.json"
    line.fault("PUT", fault)
    file.write_bytes(b"first")
    for method in ("GET", "HEAD"):
        line.fault(method, fault)
    assert file.read_bytes() == b"first"
    line.fault("HEAD", fault)
    tag = file.tag()
    assert tag is not None
    # Of a put whose answer was lost nobody knows whether it was done; asked again, it has been.
    line.fault("PUT", fault)
    tag = file.replace(b"second", tag)
    line.fault("PUT", fault)
    (bucket / "new").create(b"mine")
    assert (file.tag(), (bucket / "new").read_bytes()) == (tag, b"mine")
    line.fault("GET", fault)
    assert [place.name for place in bucket.files()] == ["manifest.json", "new"]
    for method in ("GET", "POST"):
        line.fault(method, fault)
    bucket.remove()
    line.calm()
    assert not bucket.exists()


def test_a_slower_writer_is_refused_also_when_answers_are_lost(line: Line, bucket: Place) -> None:
    file = bucket / "manifest.json"
    tag = file.create(b"first")
    file.replace(b"second", tag)
    line.fault("PUT", "lost")
    with pytest.raises(StaleError):
        file.replace(b"slower", tag)
    line.fault("PUT", "lost")
    with pytest.raises(FileExistsError):
        file.create(b"slower")
    assert file.read_bytes() == b"second"


@pytest.mark.parametrize("method", METHODS)
def test_a_fault_that_stays_ends_the_step_as_one_of_storage_and_is_mended_by_running_again(
    line: Line, bucket: Place, configuration, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("SYNALIGN_STORE", str(bucket))
    # Few tries, as each of them waits longer than the one before.
    monkeypatch.setattr(objects, "_TRIES", 2)
    run = Run(configuration(), INTERVAL)

    def work(attempt) -> None:
        ingest(attempt)
        line.fault(method, 503, times=10_000)

    if method == "POST":
        # Nothing is deleted while all goes well.
        perform(run, "ingest", work)
    else:
        with pytest.raises(StorageError) as caught:
            perform(run, "ingest", work)
        told = f"{caught.value}{caught.value.__cause__!r}"
        assert not any(key in told for key in KEYS.values())
    line.calm()
    # The lease that could not be given back goes to the next one a minute later.
    (run.folder / ".lock").remove()
    perform(run, "ingest", ingest)
    assert run.read("documents").num_rows == 2
    assert len((run.folder / "ingest").folders()) == 1


def test_a_step_does_its_work_over_a_line_that_fails_now_and_then(
    line: Line, bucket: Place, configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNALIGN_STORE", str(bucket))
    for method in ("GET", "HEAD", "PUT"):
        for fault in (503, "drop", 0.2, "lost"):
            line.fault(method, fault)
    run = Run(configuration(), INTERVAL)
    assert perform(run, "ingest", ingest)["reused"] is False
    assert perform(run, "ingest", ingest)["reused"] is True
    assert run.read("documents", ["document_id"]) == pa.table({"document_id": ["d1", "d2"]}).cast(
        run.read("documents", ["document_id"]).schema
    )
    assert set(flow.step("ingest").writes) == set(run.require("ingest")["tables"])
