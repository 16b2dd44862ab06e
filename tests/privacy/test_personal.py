"""Personal data goes, all else stays: by hand-made cases, by properties, and against independent checks."""

from __future__ import annotations

import datetime
import ipaddress
import logging
import random
import time

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synalign.errors import ArgumentError
from synalign.privacy import PLACEHOLDERS, found, redact, redaction
from synalign.privacy import names as recognising
from tests.adversarial import TEXTS

KINDS = tuple(PLACEHOLDERS)
REGIONS = ("US", "GB", "DE", "IN")

ORDINARY = """iphone 15 pro max
error 0x80070005
windows 10 22h2
python 3.11.9
chrome 120.0.6099.109
10.0.19041.1
2019 2020 2021
1914-1918
1679 - 1680.
( 1368 -- 1644 )
$1,234,567,890
9.999.999,50
1234567.89
20240131
2024-01-31 12:30:45
31.01.2024
20240131123000
unix time 1577836800
1577836800000
2147483647
-2147483648
18446744073709551615
3.141592653589793
1000000000
1111111111
123456789
isbn 0306406152
ISBN-10: 0-306-40615-2
ISBN 978-3-16-148410-0
9783161484100
WD10EZEX-08WN4A0
06A-905-115-D
100-000000063WOF
123e4567-e89b-12d3-a456-426614174000
192.168.1.1
127.0.0.1
255.255.255.0
8.8.8.8
version 81.2.69.142
v203.0.113.7
std::vector a::b 12:30:45
00:1a:2b:3c:4d:5e
git@github.com permission denied
icon@2x.png
lodash@4.17.21
@media screen
user@localhost
555-1234
911
1-2-3-4-5-6-7-8-9-10
covid-19 2020 cases 123456""".splitlines()


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_queries_stay_as_they_are(text):
    assert redact(text, KINDS, REGIONS) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail jane.roe@example.org.", "mail [EMAIL]."),
        ("<jürgen@exämple.de>", "<[EMAIL]>"),
        ("jane\uff20example\uff0eorg", "[EMAIL]"),
        ("ja\u200bne@exam\u2060ple.org", "[EMAIL]"),
        ("a@b.co,c@d.co", "[EMAIL],[EMAIL]"),
        ("ping 203.0.113.7:8080", "ping [IP]:8080"),
        ("10.20.30.40", "[IP]"),
        ("from 2001:db8::8a2e:370:7334: no route", "from [IP]: no route"),
        ("fe80::1ff:fe23:4567:890a", "[IP]"),
        ("card 4111 1111 1111 1111", "card [CARD]"),
        ("2023 4111-1111-1111-1111", "2023 [CARD]"),
        ("378282246310005", "[CARD]"),
        ("3782 822463 10005", "[CARD]"),
        ("4111 1111\u200b 1111 \uff11\uff11\uff11\uff11", "[CARD]"),
        ("call (415) 555-2671 now", "call [PHONE] now"),
        ("1-800-588-2300", "[PHONE]"),
        ("+49 30 12345678", "[PHONE]"),
        ("+33 1 42 68 53 00 2024", "[PHONE] 2024"),
        ("call 020 7946 0958 2023", "call [PHONE] 2023"),
        ("415 555 2671,415 555 2672", "[PHONE],[PHONE]"),
        ("०२०७९४६०९५८", "[PHONE]"),
        ("٤١٥٥٥٥٢٦٧١", "[PHONE]"),
        ("0171\u20111234567", "[PHONE]"),
        ("415\x00555\x002671", "[PHONE]"),
        ("4️⃣155552671", "[PHONE]"),
        ("电话13812345678请", "电话[NUMBER]请"),
        ("ssn 123-45-6789", "ssn [NUMBER]"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN [NUMBER]"),
        ("customer 987001234567", "customer [NUMBER]"),
    ],
)
def test_personal_data_is_replaced_and_nothing_else(text, expected):
    assert redact(text, KINDS, REGIONS) == expected


@pytest.mark.parametrize(
    "text",
    ["DE89 3704 0044 0532 0130 01", "4111 1111 1111 1112", "000-12-3456", "999.1.2.3", "300.20.30.40", "a@b", "@x.org"],
)
def test_wrong_check_digits_and_impossible_numbers_are_not_personal(text):
    assert redact(text, KINDS, REGIONS) == text


def test_only_the_kinds_asked_for_are_found_in_a_fixed_order():
    text = "jane@example.org 203.0.113.7 4111111111111111 +14155552671"
    assert found(text, KINDS, REGIONS) == ("email", "ip", "card", "phone")
    assert found(text, ("phone", "email"), ()) == ("email", "phone")
    assert found(text, (), REGIONS) == ()
    assert redact(text, ("ip",), REGIONS) == text.replace("203.0.113.7", "[IP]")
    assert redaction("a@b.co c@d.co", KINDS, ()).counts == {"email": 2}


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


@settings(max_examples=100)
@given(st.ip_addresses(v=4))
def test_any_address_that_can_be_reached_from_outside_is_found(address):
    text = f"host {address} down"
    octets = address.packed
    expected = (
        max(octets) >= 26
        and octets[0] not in (0, 255)
        and not (address.is_loopback or address.is_multicast or address.is_reserved)
        and not (address.is_private and octets[3] in (0, 1, 254, 255))
    )
    assert (redact(text, ("ip",), ()) == "host [IP] down") == expected


@settings(max_examples=100)
@given(st.integers(0, 2**125 - 1))
def test_any_global_address_of_version_6_is_found(number):
    address = ipaddress.IPv6Address((1 << 125) + number)
    assert redact(f"host {address} down", ("ip",), ()) == "host [IP] down"


@settings(max_examples=100)
@given(st.emails(domains=st.sampled_from(["example.org", "mail.example.co.uk", "xn--exmple-cua.de"])))
def test_any_usual_address_is_found(address):
    local = address.partition("@")[0]
    if local.strip(".'`") not in ("", "git"):
        assert "@" not in redact(f"to {address} now", ("email",), ())


PIECES = st.sampled_from(
    ["4155552671", "020 7946 0958", "4111 1111 1111 1111", "a@b.co", "@", ".", ",", "-", " ", "203.0.113.7", "1", "99",
     "123-45-6789", "[", "]", "+", "00", "(", ")", "\u200b", "\u0661", "DE89370400440532013000", "x", "_", ":",
     "2001:db8::1"]
)  # fmt: skip


@settings(max_examples=400)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=12).map("".join)))
@example("a@b.co@c.de")
@example("123-45-6789,4155552671")
def test_redacting_twice_changes_nothing(text):
    once = redaction(text, KINDS, REGIONS)
    assert redaction(once.text, KINDS, REGIONS) == (once.text, {})
    assert (once.text == text) == (not once.counts)


@pytest.mark.parametrize("name", TEXTS)
def test_hostile_texts_are_redacted_once_and_for_all(name):
    once = redact(TEXTS[name], KINDS, REGIONS)
    assert redact(once, KINDS, REGIONS) == once
    if name not in ("personal", "digits"):
        assert once == TEXTS[name]


@pytest.mark.parametrize(
    "piece",
    ["a", "a@", "a.", "x@a.", "jane@example.org ", "1", "1 ", "12 ", "1-", "(", "+", "1.", "2001:", "203.0.113.7 ",
     "4111 1111 1111 1111 ", "DE89 ", "1\u200b", "isbn 0306406152 ", "123-45-6789,", "4155552671,", "[EMAIL]"],
)  # fmt: skip
def test_a_megabyte_takes_time_in_proportion(piece):
    def seconds(size: int) -> float:
        text = (piece * (size // len(piece) + 1))[:size]
        began = time.process_time()
        redact(text, KINDS, REGIONS)
        return time.process_time() - began

    small, large = seconds(2**14), seconds(2**16)
    # Four times as long: quadratic work would take sixteen times as long.
    assert large < 0.3 or large < 9 * small


def test_random_numbers_are_no_slower_than_a_document_may_be():
    draw = random.Random(0)
    text = " ".join(str(draw.randrange(10**8)) for _ in range(2_000))
    began = time.process_time()
    redact(text, KINDS, REGIONS)
    assert time.process_time() - began < 10


def test_without_a_recogniser_names_stay_and_the_log_says_so_once(caplog, monkeypatch):
    monkeypatch.setattr(recognising, "_model", lambda: None)
    recognising.recogniser.cache_clear()
    with caplog.at_level(logging.INFO, logger="synalign"):
        assert [redact("Jane Roe", ("name",), ()) for _ in range(3)] == ["Jane Roe"] * 3
    assert caplog.text.count("no recogniser is installed") == 1
    recognising.recogniser.cache_clear()


def test_with_a_recogniser_names_are_replaced_and_placeholders_are_not_names(monkeypatch):
    def recognise(text):
        for word in ("Jane Roe", "EMAIL"):
            start = text.find(word)
            if start >= 0:
                yield start, start + len(word)

    monkeypatch.setattr(recognising, "recogniser", lambda: recognise)
    assert redact("Jane Roe, jane@example.org", KINDS, ()) == "[NAME], [EMAIL]"
    assert found("Jane Roe", KINDS, ()) == ("name",)
