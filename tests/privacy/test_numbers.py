"""Telephone numbers and long numbers, against the library's own examples and against dates."""

from __future__ import annotations

import datetime

import phonenumbers
import pytest

from synalign.errors import ArgumentError
from synalign.privacy import PLACEHOLDERS, found, redact

KINDS = tuple(PLACEHOLDERS)
REGIONS = ("US", "GB", "DE", "IN")


def test_national_numbers_count_only_in_their_regions():
    assert found("020 7946 0958", ("phone",), ("GB",)) == ("phone",)
    assert found("020 7946 0958", ("phone",), ("US",)) == ()
    with pytest.raises(ArgumentError, match="region == 'XX'"):
        redact("020 7946 0958", ("phone",), ("XX",))


@pytest.mark.parametrize("region", ["US", "GB", "DE", "IN", "FR", "BR", "JP", "AU", "ZA", "MX"])
def test_example_numbers_of_the_library_are_found_however_they_are_written(region):
    styles = phonenumbers.PhoneNumberFormat
    for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
        number = phonenumbers.example_number_for_type(region, kind)
        for style in (styles.INTERNATIONAL, styles.E164, styles.NATIONAL):
            written = phonenumbers.format_number(number, style)
            assert redact(f"call {written} today", ("phone",), (region,)) == "call [PHONE] today", written


def test_no_date_is_a_phone_number_or_a_long_number():
    patterns = (
        "%Y-%m-%d",
        "%d.%m.%Y",
        "%d/%m/%Y",
        "%m/%d/%Y",
        "%d-%m-%Y",
        "%Y%m%d",
        "%Y%m%d%H%M",
        "%d %m %Y",
        "%d.%m.%y",
    )
    for days in range(0, 20_000, 61):
        day = datetime.datetime(1975, 1, 1, 13, 45) + datetime.timedelta(days=days)
        for pattern in patterns:
            text = day.strftime(pattern)
            assert redact(text, KINDS, REGIONS) == text
