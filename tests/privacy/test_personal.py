"""Personal data goes, all else stays: by hand-made cases, by properties, and against independent checks."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from synalign.privacy import PLACEHOLDERS, found, redact, redaction
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


@pytest.mark.slow
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
