"""What a storage server says may quote the key it was shown: never passed on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

from synalign.masking import learn, mask


@contextmanager
def without_secrets() -> Iterator[None]:
    """Raise errors of storage again, of the same kind, without keys and without their causes."""
    try:
        yield
    except OSError as error:
        raise type(error)(plain(error)) from None


def plain(error: OSError) -> str:
    """Return an error in one line, without keys."""
    return mask(" ".join(str(error).split()))


def learn_of_clouds() -> None:
    """Mask what stands within the variables of clouds: the key of a service account, the signature of a shared access.

    Servers and libraries quote these parts, and not the variable.
    """
    try:
        account = json.loads(os.environ.get("GOOGLE_SERVICE_ACCOUNT_KEY", "{}"))
    except ValueError:
        account = {}
    for name in ("private_key", "private_key_id"):
        if isinstance(account, dict) and isinstance(account.get(name), str):
            learn(account[name])
    for name in ("AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_SAS_KEY"):
        shared = os.environ.get(name, "").lstrip("?")
        for signature in parse_qs(shared).get("sig", []):
            learn(signature)
            learn(next(part for part in shared.split("&") if part.startswith("sig=")).removeprefix("sig="))
