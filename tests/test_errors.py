"""Errors: what they say, secrets masked, and one exit code for each kind, told alike wherever it is told."""

import re

import pytest

from synalign import errors
from synalign.cli.application import EXIT_CODES as HELP
from synalign.errors import EXIT_CODES, OTHERWISE, ArgumentError, EndpointError, SynAlignError


def test_an_error_says_what_why_and_what_next() -> None:
    error = SynAlignError("x == 1, must be 2.", cause="a slip", remedy="write 2")
    assert str(error) == "x == 1, must be 2.\nLikely cause: a slip\nWhat to do: write 2"
    assert str(SynAlignError("x")) == "x"
    argument = ArgumentError("ridge", -1.0, "must be >= 0")
    assert str(argument) == "ridge == -1.0, must be >= 0."
    assert isinstance(argument, ValueError)


def test_a_key_is_masked_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_API_KEY", "sk-0123456789abcdef")
    error = SynAlignError("sk-0123456789abcdef", cause="key sk-0123456789abcdef", remedy="sk-0123456789abcdef")
    assert "0123456789abcdef" not in str(error)


def test_each_kind_has_its_own_code_and_one_row_in_the_table() -> None:
    kinds = [kind for kind in SynAlignError.__subclasses__() if kind is not ArgumentError]
    assert [entry.kind for entry in EXIT_CODES] == kinds
    assert [entry.code for entry in EXIT_CODES] == list(range(2, 2 + len(kinds)))
    assert EndpointError.exit_code == ArgumentError.exit_code == 2
    assert OTHERWISE.code == 1


def test_what_is_tried_again_waits_and_what_is_not_does_not() -> None:
    for entry in (*EXIT_CODES, OTHERWISE):
        assert bool(entry.tries) == bool(entry.minutes), entry.kind


def test_the_help_of_the_commands_tells_every_code() -> None:
    told = re.findall(r"(?:^|[:;]\s+)(\d+) ", " ".join(HELP.split()))
    assert {str(entry.code) for entry in (*EXIT_CODES, OTHERWISE)} | {"0", "130"} == set(told)


@pytest.mark.parametrize(("count", "expected"), [(1, "a0"), (8, "a7"), (9, "and 1 more"), (20, "and 12 more")])
def test_long_lists_are_cut(count: int, expected: str) -> None:
    assert errors.listed([f"a{number}" for number in range(count)]).endswith(expected)


def test_the_nearest_name_is_meant_and_none_where_none_is_near() -> None:
    assert errors.meant("evalute", ["ingest", "evaluate"]) == "did you mean 'evaluate'? "
    assert errors.meant("zzz", ["ingest", "evaluate"]) == ""
