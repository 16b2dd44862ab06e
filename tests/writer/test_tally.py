"""Counts of the embedded writer."""

from __future__ import annotations

import hashlib
import threading
import time

from synalign.writer.faults import Faults
from synalign.writer.server import embedded_writer
from tests.writer.asking import body, faults_at, post


def test_good_answers_are_counted_by_the_digest_of_the_body():
    content = body()
    with embedded_writer() as url:
        for _ in range(3):
            assert post(url, content)[0] == 200
        assert post(url, content + b" ")[0] == 200
        assert post(url, b"{")[0] == 400
        found = faults_at(url)
    digest, other = (hashlib.sha256(each).hexdigest() for each in (content, content + b" "))
    assert found["paid"] == {digest: 3, other: 1}
    assert found["tries"] == {digest: 3, other: 1, hashlib.sha256(b"{").hexdigest(): 1}
    assert (found["received"], found["sent"]) == (5, {"good": 4, "rejected": 1})


def test_requests_in_flight_are_counted():
    with embedded_writer(faults=Faults(latency=0.6)) as url:
        threads = [threading.Thread(target=post, args=(url, body() + b" " * number)) for number in range(4)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 5
        while faults_at(url)["in_flight"] < 4:
            assert time.monotonic() < deadline
        for thread in threads:
            thread.join()
        found = faults_at(url)
    assert (found["in_flight"], found["most_in_flight"], sum(found["paid"].values())) == (0, 4, 4)
