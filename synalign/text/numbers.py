"""How figures and strangers' texts are shown. All of it is plain text: the template escapes it."""

from __future__ import annotations

import unicodedata

LONGEST_TEXT = 300
"""Characters of a stranger's text that are shown, unless a section says otherwise."""

_SUPERSCRIPT = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
_NARROW = "\u202f"


def count(value: float) -> str:
    """Format a whole number with its thousands apart.

    Examples:
        >>> count(12345)
        '12,345'
    """
    return f"{value:,.0f}"


def counted(value: float, one: str, many: str = "") -> str:
    """Format a count with its noun.

    Examples:
        >>> counted(1, "row"), counted(2, "row"), counted(0, "query", "queries")
        ('1 row', '2 rows', '0 queries')
    """
    return f"{count(value)} {one if value == 1 else many or one + 's'}"


def figure(value: float, digits: int = 2) -> str:
    """Format a number that may be very small or very large, to so many significant digits.

    Examples:
        >>> figure(0.00932), figure(0.0000123), figure(4.14), figure(1234.5), figure(0.0)
        ('0.0093', '1.2\u202f\u00d7\u202f10⁻⁵', '4.1', '1,234', '0')
    """
    if value == 0.0:
        return "0"
    if not 1e-3 <= abs(value) < 1e6:
        return _scientific(value, digits)
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{float(f'{value:.{digits}g}'):g}"


def change(before: float, after: float, digits: int = 2) -> str:
    """Format two figures that are compared, both alike.

    Examples:
        >>> change(0.0093, 0.0051), change(0.0013, 0.00032).replace("\u202f", "")
        ('0.0093 \u2192 0.0051', '1.3\u00d710⁻³ \u2192 3.2\u00d710⁻⁴')
    """
    if any(0.0 < abs(value) < 1e-3 for value in (before, after)):
        return " \u2192 ".join(_scientific(value, digits) if value else "0" for value in (before, after))
    return f"{figure(before, digits)} \u2192 {figure(after, digits)}"


def _scientific(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    return f"{mantissa}{_NARROW}\u00d7{_NARROW}10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def share(value: float) -> str:
    """Format a share of one as per cent.

    Examples:
        >>> share(0.1834), share(0.004), share(1.0), share(0.00001)
        ('18\u202f%', '0.4\u202f%', '100\u202f%', 'under 0.1\u202f%')
    """
    if 0.0 < abs(value) < 5e-4:
        return f"under 0.1{_NARROW}%"
    return f"{100 * value:.{1 if abs(value) < 0.0995 else 0}f}{_NARROW}%".replace(f".0{_NARROW}", _NARROW)


def p_value(value: float) -> str:
    """Format a p-value as it is read out.

    Examples:
        >>> p_value(0.0001), p_value(0.0312), p_value(0.4), p_value(1.0)
        ('p < 0.001', 'p = 0.031', 'p = 0.40', 'p = 1.00')
    """
    if value < 1e-3:
        return "p < 0.001"
    return f"p = {value:.3f}" if value < 0.0995 else f"p = {value:.2f}"


def seconds(value: float) -> str:
    """Format a time span.

    Examples:
        >>> seconds(0.4), seconds(41.73), seconds(125), seconds(7260)
        ('0.4\u202fs', '42\u202fs', '2\u202fmin 05\u202fs', '2\u202fh 01\u202fmin')
    """
    if value < 10:
        return f"{value:.1f}{_NARROW}s"
    whole = round(value)
    if whole < 60:
        return f"{whole}{_NARROW}s"
    if whole < 3600:
        return f"{whole // 60}{_NARROW}min {whole % 60:02d}{_NARROW}s"
    return f"{whole // 3600}{_NARROW}h {whole % 3600 // 60:02d}{_NARROW}min"


def words(name: str) -> str:
    """Return an identifier as words.

    Examples:
        >>> words("near_duplicate")
        'near duplicate'
    """
    return name.replace("_", " ")


def shown(text: object, limit: int = LONGEST_TEXT) -> str:
    r"""Return a stranger's text as it can be shown: invisible characters made visible, and cut where it is too long.

    Control characters, and format characters that turn text around or hide it, become their code in brackets, so that
    nobody reads another text than the one that is there.

    Examples:
        >>> shown("a\x00b"), shown("abc\u202edcba"), shown("x" * 12, limit=10)
        ('a[U+0000]b', 'abc[U+202E]dcba', 'xxxxxxxxxx … (2 more)')
    """
    text = str(text)
    cut = "".join(_visible(character) for character in text[:limit])
    return cut if len(text) <= limit else f"{cut} \u2026 ({count(len(text) - limit)} more)"


_KEPT = "\n\t\u200c\u200d"
# Joiners shape scripts and emoji; the others of their kind only mislead.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"[U+{ord(character):04X}]"
