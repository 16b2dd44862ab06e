"""What every section of the configuration is: closed and frozen; and the types that several sections use."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

SECRET = "secret"
"""Type of the error for a value that is not to be shown again."""

CREDENTIALS = re.compile(r"://[^/\s@]*@|hooks\.slack\.com/services/")
"""A login in an address, or an address that is one."""


def _without_credentials(address: str) -> str:
    # The file is read by many, and kept with every run.
    if CREDENTIALS.search(address):
        raise PydanticCustomError(SECRET, "must hold no login: keys and passwords come from the environment")
    return address


Address = Annotated[str, AfterValidator(_without_credentials)]
"""An address in a file that many read."""

Format = Literal["parquet", "csv", "jsonl", "auto"]
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Task = Literal["retrieval", "classification"]
Scheme = Literal["filtered", "equal_mass", "aligned"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Closed(BaseModel):
    """A model that knows all its keys and cannot be changed after it was checked."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
