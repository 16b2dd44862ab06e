"""Settings of the source: how its files are written."""

from typing import Any

import pytest
from pydantic import ValidationError

from synalign.config import LogSource


def source(**settings: Any) -> LogSource:
    return LogSource.model_validate({"path": "log", "documents": {"path": "documents"}, **settings})


@pytest.mark.parametrize(
    ("written", "read"), [("\t", "tab"), ("\\t", "tab"), ("tab", "tab"), (",", "comma"), (" ", "space"), ("^", "^")]
)
def test_a_delimiter_is_a_word_or_a_character(written: str, read: str) -> None:
    assert source(delimiter=written).delimiter == read


@pytest.mark.parametrize("written", ["", "tabs", "||", 7])
def test_nothing_else_is_a_delimiter(written: object) -> None:
    with pytest.raises(ValidationError):
        source(delimiter=written)


@pytest.mark.parametrize("name", ["utf-8", "UTF-16", "latin-1", "shift_jis", "auto"])
def test_encodings_that_python_knows_are_taken(name: str) -> None:
    assert source(encoding=name).encoding == name


@pytest.mark.parametrize("name", ["utf-9", "", "base64", "rot13"])
def test_encodings_that_are_none_or_no_texts_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="an encoding that Python knows"):
        source(encoding=name)


@pytest.mark.parametrize("pattern", ["auto", "iso", "epoch_milliseconds", "%d/%b/%Y:%H:%M:%S", "%Y-%m-%d"])
def test_times_have_a_format_that_names_a_day(pattern: str) -> None:
    assert source(time_format=pattern).time_format == pattern


@pytest.mark.parametrize("pattern", ["epoch", "", "%H:%M", "%Q", "YYYY-MM-DD"])
def test_formats_from_which_no_day_can_be_read_are_refused(pattern: str) -> None:
    with pytest.raises(ValidationError, match="a strptime pattern with year, month and day"):
        source(time_format=pattern)
