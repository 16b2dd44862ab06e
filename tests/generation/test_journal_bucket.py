"""The journal in object storage, against a real S3 server (moto's) over a socket, with a bad line in between."""

from __future__ import annotations

import http.client
import logging
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from moto.server import ThreadedMotoServer

from synalign.errors import ConfigurationError, RunError, StorageError
from synalign.generation.journal import Journal
from synalign.storage import line_objects
from tests.bad_line import ACCESS, SECRET, TOKEN, Line
from tests.generation.test_journal import KILLED, LANGUAGES, add, add_at_once, entry

PREFIXES = count()


@pytest.fixture(scope="module")
def server():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    port = moto.get_host_and_port()[1]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("PUT", "/journals")
    assert connection.getresponse().status == 200
    connection.close()
    line = Line(port)
    threading.Thread(target=line.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield line
    line.shutdown()
    line.server_close()
    moto.stop()


@pytest.fixture
def line(server, monkeypatch):
    server.calm()
    for name, value in {
        "AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_SESSION_TOKEN": TOKEN,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}", "AWS_EC2_METADATA_DISABLED": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    return server


@pytest.fixture
def place(line):
    return f"s3://journals/team/retriever-{next(PREFIXES)}"


def objects(line, place):
    """Names and sizes of a journal's objects, asked past the bad line."""
    connection = http.client.HTTPConnection("127.0.0.1", line.target, timeout=10)
    connection.request("GET", f"/journals?list-type=2&prefix={place.removeprefix('s3://journals/')}/")
    text = connection.getresponse().read().decode()
    connection.close()
    found = {}
    for part in text.split("<Contents>")[1:]:
        name = part.split("<Key>")[1].split("</Key>")[0].rsplit("/", 1)[1]
        if name:
            found[name] = int(part.split("<Size>")[1].split("<")[0])
    return found


def test_what_is_added_is_found_again(line, place):
    kept = entry(1, f'{{"text": "{LANGUAGES}"}}')
    with Journal(place) as journal:
        assert len(journal) == 0 and objects(line, place) == {}
        assert add(journal, kept) == [kept]
        # In the bucket when add() returns, as one object.
        assert len(objects(line, place)) == 1
        add(journal, entry(2), entry(3))
    assert len(objects(line, place)) == 3
    with Journal(place + "/") as journal:
        assert len(journal) == 3 and journal.get(kept.key) == kept
    with Journal(place.rsplit("/", 1)[0] + "/other") as journal:
        assert len(journal) == 0


def test_answers_that_come_during_a_write_share_an_object(line, place):
    with Journal(place) as journal:
        line.fault("PUT", 0.2)
        add_at_once(journal, *map(entry, range(300)))
    assert len(objects(line, place)) <= 3
    with Journal(place) as journal:
        assert len(journal) == 300


def test_two_writers_at_once_never_touch_each_others_objects(line, place):
    with Journal(place) as first, Journal(place) as second, ThreadPoolExecutor(2) as pool:
        ranges = ((first, range(0, 12)), (second, range(8, 20)))
        done = [pool.submit(add, journal, *map(entry, numbers)) for journal, numbers in ranges]
        assert all(each.result() for each in done)
    with Journal(place) as journal:
        assert len(journal) == 20
    puts = Counter(path for method, path in line.seen if method == "PUT" and ".jsonl" in path)
    assert set(puts.values()) == {1} and line.count("POST") == 0
    # The first object of each opening is the probe, and it alone is taken away again.
    assert line.count("DELETE") == 3


@pytest.mark.slow
@pytest.mark.parametrize("fault", [503, 500, "drop", 0.5])
def test_a_fault_of_the_storage_that_passes_is_not_noticed(line, place, fault):
    with Journal(place) as journal:
        line.fault("PUT", fault)
        add(journal, entry(1))
        line.fault("PUT", fault)
        add_at_once(journal, entry(2), entry(3))
    for method in ("GET", "HEAD", "PUT"):
        line.fault(method, fault)
    with Journal(place) as journal:
        assert [journal.get(entry(number).key) for number in (1, 2, 3)] == [entry(1), entry(2), entry(3)]
    assert {method for method, _ in line.faults} <= {"HEAD"}


def test_a_fault_that_stays_is_told_without_keys_and_can_be_mended(line, place, caplog):
    caplog.set_level(logging.DEBUG)
    with Journal(place) as journal:
        add(journal, entry(1))
        line.fault("PUT", 403, times=99)
        with pytest.raises(StorageError, match="cannot be written") as caught:
            add(journal, entry(2))
        with pytest.raises(StorageError, match="cannot be opened") as other:
            Journal(place)
        line.faults.clear()
        assert add(journal, entry(3)) == [entry(3)]
        assert len(journal) == 3
    with Journal(place) as journal:
        assert len(journal) == 3
    for error in (caught.value, other.value):
        told = f"{error} {error.__cause__!r} {error.__cause__.__context__!r}"
        assert "***" in str(error) and error.__cause__.__suppress_context__
        assert not any(secret in str(error) + repr(error.__cause__) for secret in (ACCESS, SECRET, TOKEN)), told
    assert not any(secret in caplog.text for secret in (ACCESS, SECRET, TOKEN))


def test_a_bucket_that_cannot_be_used_is_told_before_anything_is_paid_for(line):
    with pytest.raises(StorageError, match=r"s3://no-such-bucket/x cannot be opened.*bucket"):
        Journal("s3://no-such-bucket/x")
    line.fault("PUT", 403)
    with pytest.raises(StorageError, match="check the bucket, the endpoint and the keys"):
        Journal("s3://journals/may-not-write")


def scattered(place, number):
    """A journal of many small objects."""
    with Journal(place) as journal:
        add(journal, *map(entry, range(number)))


def test_many_small_objects_are_folded_when_it_is_opened(line, place, monkeypatch):
    monkeypatch.setattr(line_objects, "FOLDED_FROM", 8)
    scattered(place, 7)
    scattered(place, 8)
    assert len(objects(line, place)) == 8
    line.calm()
    with Journal(place) as journal:
        assert len(journal) == 8
    (size,) = objects(line, place).values()
    order = [method for method, path in line.seen if ".jsonl" in path and method in ("PUT", "DELETE")]
    # The probe and its end; then the new object, and only then the end of the old ones.
    assert order == ["PUT", "DELETE", "PUT", *["DELETE"] * 8]
    with Journal(place) as journal:
        assert len(journal) == 8
        assert objects(line, place) == {next(iter(objects(line, place))): size}


def test_a_reader_that_is_overtaken_by_folding_still_sees_everything(line, place):
    scattered(place, 12)
    program = (
        "import sys; from synalign.generation.journal import Journal; from synalign.storage import line_objects; "
        "line_objects.FOLDED_FROM = 8; Journal(sys.argv[1]).close()"
    )
    line.before_get = lambda: subprocess.run([sys.executable, "-c", program, place], check=True)
    with Journal(place) as journal:
        assert line.before_get is None and len(journal) == 12
    assert len(objects(line, place)) == 1


def test_without_the_right_to_delete_nothing_is_folded_and_all_else_works(line, place, monkeypatch):
    monkeypatch.setattr(line_objects, "FOLDED_FROM", 8)
    line.fault("DELETE", 403, times=99)
    scattered(place, 9)
    for _ in range(2):
        with Journal(place) as journal:
            assert len(journal) == 9
    # Nine answers and three probes.
    assert len(objects(line, place)) == 12


def test_large_groups_are_split_at_line_ends(line, place, monkeypatch):
    monkeypatch.setattr(line_objects, "LARGEST", 1000)
    long = entry(0, "x" * 2500)
    with Journal(place) as journal:
        line.fault("PUT", 0.2)
        add_at_once(journal, entry(99), long, *map(entry, range(1, 30)))
    assert len(objects(line, place)) > 4
    with Journal(place) as journal:
        assert len(journal) == 31 and journal.get(long.key) == long


@pytest.mark.parametrize("damage", [lambda text: text[:-9], lambda text: text.replace(b"some-model", b"other")])
def test_a_damaged_object_is_named(line, place, damage):
    with Journal(place) as journal:
        add(journal, entry(1))
    (name,) = objects(line, place)
    path = f"/{place.removeprefix('s3://')}/{name}"
    connection = http.client.HTTPConnection("127.0.0.1", line.target, timeout=10)
    signed = {"Authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS}/20260101/us-east-1/s3/aws4_request, Signature=0"}
    connection.request("GET", path, headers=signed)
    content = connection.getresponse().read()
    assert content.endswith(b"}\n") and damage(content) != content
    connection.request("PUT", path, damage(content), signed)
    assert connection.getresponse().status == 200
    connection.close()
    with pytest.raises(RunError, match=rf"{name}, line 1 is damaged"):
        Journal(place)


@pytest.mark.parametrize(
    "place",
    [
        f"s3://{ACCESS}:{SECRET.replace('/', '')}@journals/x",
        f"s3://journals/x?access_key={ACCESS}",
        "s3://",
        "s3:///x",
        "s3://x",
        "s3://Journals/x",
        "s3://journals//x",
        "s3://journals/x#y",
    ],
)
def test_a_place_that_is_none_is_refused_without_showing_it(line, place):
    with pytest.raises(ConfigurationError, match="s3://bucket/prefix") as caught:
        Journal(place)
    assert ACCESS not in str(caught.value) and line.seen == []


def test_the_endpoint_for_s3_comes_before_the_one_for_all(line, place, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{line.server_port}/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with Journal(place) as journal:
        add(journal, entry(1))
    assert line.count("PUT") == 2
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://{ACCESS}:{TOKEN}@127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="AWS_ENDPOINT_URL_S3 must be the address") as caught:
        Journal(place)
    assert TOKEN not in str(caught.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "127.0.0.1:9000")
    with pytest.raises(ConfigurationError):
        Journal(place)


def test_killed_at_work_the_bucket_holds_all_that_was_told_to_be_kept(line, place):
    command = [sys.executable, "-c", KILLED, place]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = [process.stdout.readline() for _ in range(3)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    last = max(int(line) for line in told if line.endswith("\n"))
    with Journal(place) as journal:
        for number in range(last + 1):
            assert all(journal.get(f"{number:06d}-{part}") for part in range(8))
