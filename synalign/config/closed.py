"""The base of every section of the configuration, closed and frozen, and types that several sections use."""

from __future__ import annotations

import re
import types
import typing
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

SECRET = "secret"
"""Type of the error for a value that is not to be shown again."""

CREDENTIALS = re.compile(r"(?<!abfss)://[^/\s@]*@|abfss://[^/\s@]*:[^/\s@]*@|hooks\.slack\.com/services/")
"""A login in an address, or an address that is one; `abfss://container@account...` is none."""


def without_credentials(address: str) -> str:
    """Return an address in a file unchanged, after checking that it holds no login."""
    # The file is read by many, and kept with every run.
    if CREDENTIALS.search(address):
        raise PydanticCustomError(SECRET, "must hold no login: keys and passwords come from the environment")
    return address


Address = Annotated[str, AfterValidator(without_credentials)]
"""An address in a file that many read."""

IN_WORDS = {
    r"^[a-z0-9][a-z0-9_-]{0,62}$": "up to 63 lower-case letters, digits, `-` and `_`, the first a letter or a digit",
    r"^[A-Z][A-Z0-9_]*$": "the name of an environment variable, in capital letters, digits and `_`",
    r"^[A-Za-z0-9._-]+$": "letters, digits, `.`, `_` and `-`",
    r"^https?://[^\s#]+$": "an address that begins with `http://` or `https://`",
    r"^[a-z0-9_-]{1,255}\.[a-z0-9_-]{1,255}$": "two names with a dot between, `catalog.schema`, in lower-case letters, "
    "digits, `_` and `-`",
    r"^[A-Z]{3}$": "three capital letters, such as USD",
    r"^(local|https?://[^\s#]+)$": "`local`, or an address that begins with `http://` or `https://`",
    r"^(embedded|https?://[^\s#]+)$": "`embedded`, or an address that begins with `http://` or `https://`",
    r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$": "the name of a class with its module, such as `package.module.Class`",
}
"""The rules of patterns in words, for people who do not read regular expressions."""

Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Task = Literal["retrieval", "classification"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Closed(BaseModel):
    """A model that knows all its keys, holds no infinite number, and cannot be changed after it was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _of_its_kind(cls, content: Any) -> Any:
        # pydantic takes true for 1, bytes for text, and a number for seconds since 1970.
        if not isinstance(content, dict):
            return content
        fields = {name: _kinds(field.annotation) for name, field in cls.model_fields.items() if name in content}
        wrong = {name: Unlike(content[name]) for name, kinds in fields.items() if _differs(content[name], kinds)}
        return {**content, **wrong} if wrong else content


class Unlike:
    """A value of another kind than its setting, which pydantic refuses in this form.

    Attributes:
        value: The value.
    """

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return repr(self.value)


def _differs(value: Any, kinds: set[Any]) -> bool:
    if isinstance(value, bool):
        return bool not in kinds and not kinds.isdisjoint({int, float, date})
    return isinstance(value, bytes) or (isinstance(value, int | float) and date in kinds)


def _kinds(annotation: Any) -> set[Any]:
    """Return the classes that a field's type mentions at its top."""
    origin = typing.get_origin(annotation)
    if origin is Annotated:
        return _kinds(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return set().union(*map(_kinds, typing.get_args(annotation)))
    return {annotation} if isinstance(annotation, type) else set()
