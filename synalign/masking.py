"""Secrets in texts: what a message, a log line or a traceback quotes of them is replaced by `***`.

Secrets come from the environment, by variables whose names say so, or are learnt where they are read. Servers quote
what they were shown, and libraries put addresses with passwords into their errors: so every error of ours and every log
line of a job goes through here. Imported by DAG files: nothing heavy here.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

MASK = "***"
SHORTEST = 8
"""Characters of a secret that is looked for: shorter ones stand in other words, and are no secrets to speak of."""

_NAMES = re.compile(r"PASSW|SECRET|TOKEN|CREDENTIAL|API_?KEY|(?:ACCESS|PRIVATE|FERNET|_)_?KEY(?:_ID)?$", re.IGNORECASE)
# Such variables say where a secret is, not what it is.
_PLACES = re.compile(r"_(?:FILE|CMD|COMMAND|PATH|DIR|NAME|URL|URI|ID_FILE)$", re.IGNORECASE)
_LOGIN = re.compile(r"(?P<user>://[^/\s:@'\"]*):[^/\s@'\"]+@")
_learnt: set[str] = set()


def learn(secret: str) -> None:
    """Mask a secret from now on that no variable's name gives away."""
    if len(secret) >= SHORTEST:
        _learnt.add(secret)


def is_secret(name: str) -> bool:
    """Return whether a variable or a setting of that name holds a secret.

    Examples:
        >>> [is_secret(name) for name in ("AWS_SECRET_ACCESS_KEY", "api_key", "LOGIN_PASSWORD_FILE", "HOME")]
        [True, True, False, False]
    """
    return bool(_NAMES.search(name)) and not _PLACES.search(name)


def mask(text: str) -> str:
    """Return a text without secrets: those of the environment, learnt ones, and passwords in addresses.

    Examples:
        >>> mask("postgresql://airflow:hunter2@db/airflow is away")
        'postgresql://airflow:***@db/airflow is away'
    """
    text = _LOGIN.sub(rf"\g<user>:{MASK}@", text)
    # The longest first: one may be part of another.
    for secret in sorted(_secrets(), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _secrets() -> set[str]:
    named = {value.strip() for name, value in os.environ.items() if is_secret(name)}
    return {secret for secret in named | _learnt if len(secret) >= SHORTEST}


def mask_logs() -> None:
    """Have every line that this process logs masked, whoever handles it; for a process of our own.

    Not a filter of a handler: some libraries give their loggers handlers of their own.
    """
    if not isinstance(logging.getLogRecordFactory(), _Masked):
        logging.setLogRecordFactory(_Masked(logging.getLogRecordFactory()))


class _Masked:
    """Makes log records whose text and traceback hold no secret."""

    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *given: Any, **named: Any) -> logging.LogRecord:
        record = self._make(*given, **named)
        record.msg, record.args = mask(_message(record)), None
        if record.exc_info and not record.exc_text:
            record.exc_text = mask("".join(traceback.format_exception(*record.exc_info)).rstrip())
        return record


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:
        # A fault in a library's line is not to end the work that it tells of.
        return f"{record.msg} {record.args}"


def show_masked_tracebacks() -> None:
    """Have the interpreter print an error that nobody caught without secrets; for a process of our own."""

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write(mask("".join(traceback.format_exception(kind, error, trace))))

    sys.excepthook = hook
