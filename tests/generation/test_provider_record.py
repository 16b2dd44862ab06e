"""The record of a provider's batches survives a torn line, and tells a damaged one."""

from __future__ import annotations

import pytest

from synalign.errors import RunError
from synalign.generation.provider_record import Ended, Record, Sent


def test_a_torn_line_is_cut_off_and_a_damaged_one_is_told(tmp_path):
    path = tmp_path / "record"
    record = Record(path)
    record.intend("d", "s", {"k": Sent("reason", 1, 2), "l": Sent("write", 3, 4)})
    record.created("d", "b")
    record.close()
    with open(path, "ab") as file:
        file.write(b'{"event": "ended", "dig')
    record = Record(path)
    (submission,) = record.open()
    assert (submission.batch_id, submission.sent["l"]) == ("b", Sent("write", 3, 4))
    record.ended("d", {"k": Ended("ok", 1, 1), "l": Ended("timeout", 0, 0)})
    assert (record.open(), record.failures("l", "s"), sorted(record.spent())) == (
        [],
        [("timeout", 0, 0)],
        [(0, 0), (1, 1)],
    )
    record.close()
    path.write_bytes(path.read_bytes() + b"[1]\n")
    with pytest.raises(RunError, match="line 4 is damaged"):
        Record(path)
