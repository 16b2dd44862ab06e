"""What a storage server says of a key is not passed on."""

from __future__ import annotations

import pytest

from synalign.storage import Place
from tests.storage.conftest import KEYS


def test_what_storage_says_of_a_key_is_not_passed_on(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OSError, match=r"NoSuchBucket|does not exist") as caught:
        Place("s3://nobody-made-this/x").write_bytes(b"")
    assert not any(key in f"{caught.value}{caught.value.__cause__!r}" for key in KEYS.values())
