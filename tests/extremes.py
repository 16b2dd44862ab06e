"""Arguments at and beyond every edge, for the public functions on arrays: an argument error, or a valid result."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from synalign.errors import ArgumentError

NUMBERS = (
    0, -1, 1, 2, 0.5, -0.0, 1e-320, 1e-160, 1e-30, 1e-7, 1e-6, 1e-4, 1e-3, 0.05, 1e3, 1e6, 1e7, 1e160, 1e300,
    float("nan"), float("inf"), -float("inf"), 10**400, True, "1", "x", None, 1j, [], [1.0], np.float32(0.3),
    np.array(0.5), np.array([0.5]), np.ma.masked, np.ma.masked_array([0.5], [True]),
)  # fmt: skip
"""What may be passed where one number is expected."""

COUNTS = (
    None, "zeros", "ones", "huge", "tiny", "denormal", "mixed", "negative", "nan", "inf", "short", "text", "complex",
    "masked", "object", "bool", "int", "two-dimensional",
)  # fmt: skip

LAYOUTS = (
    "float64", "float32", "float16", "longdouble", "int", "object", "fortran", "strided", "read-only", "big-endian",
    "masked", "unmasked", "list", "one nan", "one inf", "huge", "one huge", "zero row", "copies", "equal", "complex",
    "ragged", "one-dimensional", "empty", "text", "nearly equal",
)  # fmt: skip


def rows_of(n: int, d: int, seed: int, layout: str) -> Any:
    """(n, d) unit rows in a layout, or with what that names."""
    generator = np.random.default_rng(seed)
    rows = generator.standard_normal((n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    place = seed % n
    with np.errstate(all="ignore"):
        if layout in ("one nan", "one inf", "one huge"):
            rows[place, 0] = {"one nan": np.nan, "one inf": np.inf, "one huge": 1e200}[layout]
        elif layout == "huge":
            rows *= 1e300
        elif layout == "zero row":
            rows[place] = 0.0
        elif layout == "copies":
            rows = rows[generator.integers(0, max(1, n // 3), n)]
        elif layout == "equal":
            rows[:] = rows[0]
        elif layout == "nearly equal":
            rows[:] = rows[0]
            rows[:, 0] += 1e-9 * generator.standard_normal(n)
        makers: dict[str, Callable[[], Any]] = {
            "float32": lambda: rows.astype(np.float32),
            "float16": lambda: rows.astype(np.float16),
            "longdouble": lambda: rows.astype(np.longdouble),
            "int": lambda: rows.astype(np.int64),
            "object": lambda: rows.astype(object),
            "fortran": lambda: np.asfortranarray(rows),
            "strided": lambda: np.repeat(rows, 2, axis=0)[::2],
            "big-endian": lambda: rows.astype(">f4"),
            "masked": lambda: np.ma.masked_array(rows, mask=np.eye(n, d, dtype=bool)),
            "unmasked": lambda: np.ma.masked_array(rows),
            "list": rows.tolist,
            "complex": lambda: rows + 0j,
            "ragged": lambda: [row[: 1 + at % d].tolist() for at, row in enumerate(rows)],
            "one-dimensional": lambda: rows[0],
            "empty": lambda: rows[:0],
            "text": lambda: "vectors",
        }
        found = makers.get(layout, lambda: rows)()
    if layout == "read-only":
        found.setflags(write=False)
    return found


def counts_of(n: int, seed: int, kind: str | None) -> Any:
    """(n,) counts of a kind."""
    generator = np.random.default_rng(seed)
    plain = generator.integers(0, 5, n).astype(float)
    plain[seed % n] = 3.0
    special = plain.copy()
    special[seed % n] = {"negative": -1.0, "nan": np.nan, "inf": np.inf}.get(str(kind), 3.0)
    return {
        None: lambda: None,
        "zeros": lambda: np.zeros(n),
        "ones": lambda: [1] * n,
        "huge": lambda: np.full(n, 1e308),
        "tiny": lambda: plain * 1e-200,
        "denormal": lambda: np.full(n, 5e-324),
        "mixed": lambda: np.where(np.arange(n) % 2, 1e-300, 1.0),
        "short": lambda: plain[: n - 1],
        "text": lambda: ["many"] * n,
        "complex": lambda: plain + 0j,
        "masked": lambda: np.ma.masked_array(plain, mask=np.arange(n) == 0),
        "object": lambda: np.array([None, *plain[1:]], dtype=object),
        "bool": lambda: plain > 1,
        "int": lambda: plain.astype(np.int32),
        "two-dimensional": lambda: plain[:, None],
    }.get(kind, lambda: special)()


numbers = st.sampled_from(NUMBERS)
counts = st.sampled_from(COUNTS)
layouts = st.sampled_from(LAYOUTS)


def outcome(call: Callable[[], Any], *allowed: type[Warning]) -> Any:
    """What a call gives; None where it refuses its arguments. No other error and no warning is let through."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in allowed:
            warnings.simplefilter("ignore", kind)
        try:
            return call()
        except ArgumentError as error:
            assert error.name and error.rule and error.exit_code == 2
            assert str(error).startswith(error.name)
            return None
