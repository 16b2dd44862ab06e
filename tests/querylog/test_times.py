"""Formats of times, told from samples: where only one fits it is taken, where two do it is asked for."""

import pytest
from pydantic import ValidationError

from synalign.errors import InputError
from synalign.querylog.times import Samples, guess
from tests.querylog.trial import configured

ONE_WAY = {
    "2026-02-28T09:00:00Z": "iso",
    "2026-02-28 09:00:00.123456+01:00": "iso",
    "2026-02-28": "iso",
    "1772269200": "epoch_seconds",
    "1772269200.25": "epoch_seconds",
    "1772269200123": "epoch_milliseconds",
    "1772269200123456": "epoch_microseconds",
    "1772269200123456789": "epoch_nanoseconds",
    "20260228": "%Y%m%d",
    "20260228090000": "%Y%m%d%H%M%S",
    "202602280900": "%Y%m%d%H%M",
    "20260228T090000Z": "%Y%m%dT%H%M%SZ",
    "28/Feb/2026:09:00:00": "%d/%b/%Y:%H:%M:%S",
    "28/Feb/2026:09:00:00 +0100": "%d/%b/%Y:%H:%M:%S %z",
    "02/28/2026": "%m/%d/%Y",
    "28/02/2026 09:00": "%d/%m/%Y %H:%M",
    "2/28/2026 9:00:00 AM": "%m/%d/%Y %I:%M:%S %p",
    "28-02-2026 09:00:00": "%d-%m-%Y %H:%M:%S",
    "28.02.2026 09:00": "%d.%m.%Y %H:%M",
    "2026/02/28 09:00:00": "%Y/%m/%d %H:%M:%S",
    "Feb 28, 2026 @ 09:00:00.000": "%b %d, %Y @ %H:%M:%S.%f",
    "Sat, 28 Feb 2026 09:00:00 GMT": "%a, %d %b %Y %H:%M:%S GMT",
    "Sat Feb 28 09:00:00 2026": "%a %b %d %H:%M:%S %Y",
    "28 February 2026": "%d %B %Y",
}


@pytest.mark.parametrize(("value", "expected"), ONE_WAY.items())
def test_a_format_that_says_by_itself_what_it_is_is_taken_and_said(value: str, expected: str) -> None:
    found = guess([Samples("a.csv", "when", ["", f" {value} ", value])], "source.time_format")
    assert found.formats == (expected,)
    assert repr(value) in found.said


@pytest.mark.parametrize("value", ["02/03/2026", "02-03-2026", "2/3/26", "02/03/2026 09:00", "2026022809"])
def test_what_can_be_read_in_two_ways_is_asked_for(value: str) -> None:
    with pytest.raises(InputError, match=r"can be read as .* and as") as caught:
        guess([Samples("a.csv", "when", [value, value])], "source.time_format")
    assert f"a.csv: times in 'when' such as '{value}'" in caught.value.message
    assert "source.time_format" in caught.value.remedy


def test_one_day_beyond_the_twelfth_decides_for_all() -> None:
    assert guess([Samples("a", "t", ["02/03/2026", "05/06/2026", "01/13/2026"])], "s").formats == ("%m/%d/%Y",)
    with pytest.raises(InputError):
        guess([Samples("a", "t", ["13/01/2026", "01/13/2026", "02/03/2026"])], "s")


@pytest.mark.parametrize("value", ["soon", "12", "09:00", "2026", "{}", "yesterday at nine"])
def test_what_is_no_time_names_what_it_saw(value: str) -> None:
    with pytest.raises(InputError, match="which is no time in a known format") as caught:
        guess([Samples("a.csv", "when", [value])], "source.time_format")
    assert repr(value) in caught.value.message


def test_single_values_of_another_kind_do_not_decide() -> None:
    mostly = ["2026-02-28"] * 50
    assert guess([Samples("a", "t", [*mostly, "soon", "1772269200", "02/03/2026"])], "s").formats == ("iso",)


def test_files_may_differ_and_empty_ones_say_nothing() -> None:
    samples = [Samples("a", "t", ["1772269200"]), Samples("b", "t", []), Samples("c", "t", ["2026-02-28"])]
    assert guess(samples, "s").formats == ("iso", "epoch_seconds")
    assert guess([], "s").formats == ("iso",)


@pytest.mark.parametrize("value", ["%H:%M", "yyyy-MM-dd", "%Q", "epoch", "", "%d/%m"])
def test_a_pattern_that_gives_no_day_is_refused(value: str) -> None:
    with pytest.raises(ValidationError, match="time_format"):
        configured({"time_format": value})


@pytest.mark.parametrize(
    ("setting", "value", "kept"),
    [("delimiter", "\t", "tab"), ("delimiter", "\\t", "tab"), ("delimiter", ";", "semicolon"), ("delimiter", "~", "~"),
     ("encoding", "cp1252", "cp1252"), ("header", ["a", "b"], ("a", "b")), ("time_format", "%d/%m/%Y", "%d/%m/%Y")],
)  # fmt: skip
def test_settings_are_kept_as_they_are_meant(setting: str, value: object, kept: object) -> None:
    assert getattr(configured({setting: value}).source, setting) == kept


@pytest.mark.parametrize(("setting", "value"), [("delimiter", "||"), ("encoding", "klingon"), ("encoding", "base64"),
                                                ("compression", "rar"), ("quote", "q")])  # fmt: skip
def test_settings_that_nothing_can_be_read_with_are_refused(setting: str, value: str) -> None:
    with pytest.raises(ValidationError, match=setting):
        configured({setting: value})
