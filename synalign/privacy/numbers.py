"""Numbers that are somebody's: payment cards, phone numbers, and long strings of digits."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache

from synalign.errors import ArgumentError

# No letter, digit or underscore beside a number: it would be part of a name or a code. Letters of other scripts may
# stand beside it, since some are written without spaces.
_BEFORE, _AFTER = r"(?<![A-Za-z0-9_])", r"(?![A-Za-z0-9_])"
# Behind `3.` or `1,` digits are decimals or thousands.
_FRACTION = re.compile(r"(?:\A|[^\d-])\d{1,6}[.,]\Z")

_CARD = re.compile(
    rf"{_BEFORE}(?=(\d{{4}}([ .-]?)\d{{4}}\2\d{{4}}\2\d{{4}}{_AFTER}|\d{{4}}([ .-])\d{{6}}\3\d{{4,5}}{_AFTER}"
    rf"|\d{{13,19}}{_AFTER}))"
)
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|3(?:0[0-5]|[68]\d)\d{11}|(?:6011|64[4-9]\d|65\d\d|62\d\d|35\d\d)\d{12,15}"
)

_INTERNATIONAL = re.compile(rf"(?:(?<![A-Za-z0-9_+])\+ ?|{_BEFORE}00 ?)[1-9][\d ()./-]{{5,24}}\d{_AFTER}")
# Possessive: what is no run is not tried again from each of its characters.
_RUN = re.compile(r"[\d ()./-]{7,}+")
_UNBROKEN = re.compile(rf"{_BEFORE}\d{{7,15}}{_AFTER}")
_DIGITS = re.compile(r"\d")

_LONG = re.compile(rf"{_BEFORE}\d{{9,64}}{_AFTER}(?!\.\d\d?(?!\d))")
_SOCIAL_SECURITY = re.compile(
    rf"{_BEFORE}(?<![.,/-])(?!000|666|9)\d{{3}}-(?!00)\d\d-(?!0000)\d{{4}}{_AFTER}(?![./-]\d)"
)
_ACCOUNT = re.compile(rf"{_BEFORE}[A-Za-z]{{2}}\d\d(?: ?[A-Za-z0-9]{{4}}){{2,7}}(?: ?[A-Za-z0-9]{{1,4}})?{_AFTER}")

# What looks like a personal number and is everybody's.
_BOOK = r"isbn(?:-1[03])?[:#]?\s{0,2}[\dXx][\dXx -]{8,16}|97[89][ -]?\d[\d -]{7,12}\d"
_CODE = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]{1,64}"
_EVERYBODYS = re.compile(rf"{_BEFORE}(?:{_BOOK}|{_CODE}){_AFTER}", re.IGNORECASE)
_LIMITS = re.compile(
    r"2147483647|2147483648|4294967295|4294967296|9223372036854775807|9223372036854775808|18446744073709551615"
    r"|18446744073709551616"
)
_MOMENT = re.compile(
    # Dates with a time, and seconds or milliseconds since 1970.
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:[01]\d|2[0-3])[0-5]\d(?:[0-5]\d(?:\d{3})?)?"
    r"|1\d{9}|1\d{12}"
    # Years: `1368 - 1644`.
    r"|\W*(?:(?:1\d|20)\d\d\W*){2,3}"
)
_ROUND = re.compile(r"\d{1,64}?0{6,64}|(\d)\1*|0?123456789\d*")


def cards(text: str) -> Iterator[tuple[int, int]]:
    """Payment cards: 13 to 19 digits, unbroken or grouped as on a card, of an issuer's range and with a check digit.

    The ranges are those of American Express, Diners Club, Discover, JCB, Mastercard, UnionPay and Visa. Of other
    numbers of that length in a range one in ten has a right check digit (Luhn) by chance.
    """
    end = 0
    for match in _CARD.finditer(text):
        number = "".join(_DIGITS.findall(match.group(1)))
        if match.start() >= end and _ISSUERS.fullmatch(number) and _luhn(number):
            end = match.end(1)
            yield match.start(), end


def phones(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Phone numbers: valid by the numbering plan of their country, and written unbroken or grouped as that plan groups.

    International ones begin with `+` or `00`; national ones are those of `regions`, with the prefix (`0`) where that
    plan writes one. Plans and formats are those of Google's libphonenumber (`phonenumbers`). Not ISBNs, the limits of
    machine integers, times in seconds, or years.
    """
    runs = [run.span() for run in _RUN.finditer(text) if len(_DIGITS.findall(run.group())) > 6]
    if not runs:
        return
    spans = [span for match in _INTERNATIONAL.finditer(text) if (span := _international(match))]
    for region in regions:
        for start, stop in runs:
            # The character behind a run is looked at too: a letter there makes it part of a name.
            unbroken = _UNBROKEN.finditer(text, start, stop + 1)
            grouped = (match for pattern in _formats(region) for match in pattern.finditer(text, start, stop + 1))
            spans += [match.span() for match in unbroken if _is_written_so(match.group(), region)]
            spans += [match.span(1) for match in grouped if _is_valid(match.group(1), region)]
    patterns = (_EVERYBODYS, _ACCOUNT) if spans else ()
    kept = sorted(match.span() for pattern in patterns for match in pattern.finditer(text))
    end = 0
    for start, stop in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start < end or _overlaps(start, stop, kept) or _is_everybodys(text[start:stop]):
            continue
        if not _is_fraction(text, start, end):
            yield start, stop
            end = stop


def digits(text: str) -> Iterator[tuple[int, int]]:
    """Long strings of digits: 9 to 64 unbroken, as in numbers of accounts, identity cards and customers.

    Also US social security numbers (3-2-4 with hyphens) and bank accounts (IBAN with a right check sum). Not ISBNs and
    other article numbers that begin with 978 or 979, parts of a code, decimals, round numbers, dates with a time,
    seconds since 1970 (10 or 13 digits from 1), the limits of machine integers, one digit repeated, or 123456789. A
    part number of nine or more digits and nothing else cannot be told from an account, and counts.
    """
    if not _DIGITS.search(text):
        return
    kept = [match.span() for match in _EVERYBODYS.finditer(text)]
    spans = [match.span() for match in _LONG.finditer(text) if not _is_everybodys(match.group())]
    spans = [span for span in spans if not _overlaps(*span, kept)]
    spans += [match.span() for match in _SOCIAL_SECURITY.finditer(text)]
    spans += [match.span() for match in _ACCOUNT.finditer(text) if _is_account(match.group())]
    end = 0
    for start, stop in sorted(spans):
        if start >= end and not _is_fraction(text, start, end):
            yield start, stop
            end = stop


def _is_fraction(text: str, start: int, end: int) -> bool:
    """Return whether digits continue a number that begins before them, and after `end` of the last find."""
    return _FRACTION.search(text[max(end, start - 8) : start]) is not None


def _international(match: re.Match[str]) -> tuple[int, int] | None:
    """Return the longest phone number that a run of digits begins with; a year or a price may follow it."""
    run = match.group()
    for end in [len(run), *(cut.start() for cut in reversed(list(re.finditer(r"\D+\d", run))))]:
        plain = "".join(_DIGITS.findall(run[:end])).removeprefix("" if run[0] == "+" else "00")
        if len(plain) > 6 and _is_valid(f"+{plain}", None):
            return match.start(), match.start() + end
    return None


# Phone numbers come several times: in the two prompts of a batch, and in the documents of one sender.
@lru_cache(maxsize=65536)
def _is_valid(number: str, region: str | None) -> bool:
    # Imported here: DAG files import the settings of this module's callers, and never this library.
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return (region is None and phonenumbers.is_valid_number(parsed)) or (
        region is not None and phonenumbers.is_valid_number_for_region(parsed, region)
    )


@lru_cache(maxsize=65536)
def _is_written_so(number: str, region: str) -> bool:
    """Return whether unbroken digits are a region's phone number, with the national prefix if always written."""
    import phonenumbers

    if not _is_valid(number, region):
        return False
    return any(True for _ in phonenumbers.PhoneNumberMatcher(number, region))


@cache
def _formats(region: str) -> tuple[re.Pattern[str], ...]:
    """Patterns of numbers as a region groups them; each looks ahead, so that it finds one at every place.

    Raises:
        ArgumentError: There is no such region.
    """
    from phonenumbers import PhoneMetadata

    plan = PhoneMetadata.metadata_for_region(region.upper())
    if plan is None:
        raise ArgumentError("region", region, "must be an ISO 3166 code of a country with phone numbers, such as US")
    patterns: dict[str, None] = {}
    for style in plan.number_format:
        groups = re.findall(r"\((?:[^()]|\([^()]*\))*\)", style.pattern or "")
        if len(groups) < 2:
            continue
        prefix = re.escape(plan.national_prefix or "")
        rule = style.national_prefix_formatting_rule or ""
        required = prefix and prefix in rule and not style.national_prefix_optional_when_formatting
        lead = rf"\(?{prefix}" if required else rf"(?:{prefix}[ .-]?)?\(?" if prefix else r"\(?"
        body = r"(?:\) ?|[ ./-]|(?: - ?))".join(groups).replace("(\\d", "(?:\\d")
        patterns[rf"{_BEFORE}(?=({lead}{body}){_AFTER})"] = None
    return tuple(map(re.compile, patterns))


def _overlaps(start: int, stop: int, spans: list[tuple[int, int]]) -> bool:
    """Return whether a span overlaps one of others, which ascend and do not overlap."""
    place = bisect_right(spans, (start, stop))
    return any(first < stop and start < last for first, last in spans[max(0, place - 1) : place + 1])


def _is_everybodys(number: str) -> bool:
    return any(pattern.fullmatch(number) for pattern in (_LIMITS, _MOMENT, _ROUND))


def _luhn(number: str) -> bool:
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in number[-2::-2]]
    return (sum(doubled) + sum(map(int, number[-1::-2]))) % 10 == 0


def _is_account(text: str) -> bool:
    """Return whether the check sum is an IBAN's (ISO 13616: mod 97 of the rearranged characters is 1)."""
    plain = text.replace(" ", "").upper()
    moved = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
