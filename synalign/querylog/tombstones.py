"""Lists of forgotten queries, by which ingest drops them from every future set.

    <base>/forgotten/all.json                 for every retriever
    <base>/forgotten/retriever-<name>.json    for one

A list has no query in it: only salted hashes. Whoever can read it can try out whether a query they think of is on it;
they cannot read one off it. The salt is the list's own, so that two lists, or a list and a table of ids, cannot be
joined.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import NamedTuple

from synalign import storage
from synalign.errors import StorageError
from synalign.querylog.trace import Trace, folded, key
from synalign.storage import Place, StaleError

ALL = "all"
_TRIES = 20


class Tombstones(NamedTuple):
    """A list of forgotten queries.

    Attributes:
        salt: Of its keys.
        keys: One for each query.
    """

    salt: str
    keys: frozenset[str]

    def has(self, query: str) -> bool:
        """Tell whether a query is on the list, in any case and spacing."""
        return bool(self.keys) and key(folded(query), self.salt) in self.keys


def lists(retriever: str) -> tuple[Tombstones, ...]:
    """Return the lists that hold for a retriever: its own and that of all, where there are any.

    Raises:
        StorageError: One is there and cannot be read: nothing may be ingested by guess.
    """
    read = (_read(_place(name)) for name in dict.fromkeys((ALL, retriever)))
    return tuple(found for found in read if found is not None and found.keys)


def digest(retriever: str) -> str | None:
    """Return a digest of a retriever's lists; None where they are empty."""
    found = lists(retriever)
    if not found:
        return None
    return hashlib.sha256(json.dumps([[one.salt, sorted(one.keys)] for one in found]).encode()).hexdigest()


def is_there(retriever: str, trace: Trace) -> bool:
    """Tell whether a retriever's own list, or that of all for `ALL`, has a query."""
    found = _read(_place(retriever))
    return found is not None and trace.key(found.salt) in found.keys


def add(retriever: str, trace: Trace) -> None:
    """Put a query on a retriever's list, or with `ALL` on that of every retriever; twice is as good as once.

    Raises:
        StorageError: It cannot be written.
    """
    place = _place(retriever)
    for _ in range(_TRIES):
        tag = place.tag()
        found = _read(place) or Tombstones(secrets.token_hex(16), frozenset())
        keys = sorted(found.keys | {trace.key(found.salt)})
        content = json.dumps({"format": 1, "salt": found.salt, "keys": keys}, indent=1).encode()
        try:
            place.create(content) if tag is None else place.replace(content, tag)
        except (FileExistsError, StaleError):
            # Somebody else forgets at the same time.
            continue
        except OSError as error:
            raise _unusable(place, error) from error
        return
    raise _unusable(place, OSError("it is changed by others all the time"))


def _place(retriever: str) -> Place:
    name = "all.json" if retriever == ALL else f"retriever-{retriever}.json"
    return storage.base() / "forgotten" / name


def _read(place: Place) -> Tombstones | None:
    try:
        content = json.loads(place.read_bytes())
        return Tombstones(str(content["salt"]), frozenset(map(str, content["keys"])))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(place, error) from error


def _unusable(place: Place, error: Exception) -> StorageError:
    return StorageError(
        f"the list of forgotten queries {place} cannot be used: {error}.",
        cause="storage cannot be reached, or the file was edited",
        remedy="mend the storage, or bring the file back from a backup; without it forgotten queries would come back",
    )
