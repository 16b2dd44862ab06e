"""Lists of forgotten queries: what is on them is known in any case and spacing, and cannot be read off them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from synalign.errors import StorageError
from synalign.querylog import tombstones
from synalign.querylog.tombstones import ALL, Tombstones
from synalign.querylog.trace import Trace


def stored(home: Path) -> list[Path]:
    return sorted(home.rglob("forgotten/*.json"))


def test_a_key_is_a_salted_hash_of_the_query_in_lower_case(home: Path) -> None:
    tombstones.add("shop", Trace("Anna  Schmidt"))
    (found,) = tombstones.lists("shop")
    by_hand = hashlib.sha256(f"{found.salt}\x1fanna schmidt".encode()).hexdigest()[:32]
    assert found.keys == {by_hand}
    assert found.has(" ANNA schmidt ") and not found.has("anna")
    (file,) = stored(home)
    assert "schmidt" not in file.read_text().lower()


def test_twice_is_as_good_as_once_and_every_list_has_a_salt_of_its_own(home: Path) -> None:
    for _ in range(2):
        tombstones.add("shop", Trace("a b"))
    tombstones.add(ALL, Trace("a b"))
    everybody, own = tombstones.lists("shop")
    assert len(own.keys) == len(everybody.keys) == 1
    assert own.salt != everybody.salt and own.keys != everybody.keys
    assert tombstones.lists("other") == (everybody,)
    assert tombstones.is_there("shop", Trace("A B")) and not tombstones.is_there("other", Trace("a b"))


def test_a_digest_changes_with_every_query_that_is_added(home: Path) -> None:
    digests = [tombstones.digest("shop")]
    for query in ("a b", "c d"):
        tombstones.add("shop", Trace(query))
        digests.append(tombstones.digest("shop"))
    assert digests[0] is None and len({*digests}) == 3
    tombstones.add("shop", Trace("c d"))
    assert tombstones.digest("shop") == digests[-1]


def test_an_empty_list_has_nothing_and_a_damaged_one_stops_everything(home: Path) -> None:
    assert not Tombstones("salt", frozenset()).has("a")
    tombstones.add("shop", Trace("a b"))
    (file,) = stored(home)
    for content in ("{", json.dumps({"salt": "x"})):
        file.write_text(content)
        with pytest.raises(StorageError, match="forgotten queries"):
            tombstones.lists("shop")
