"""What the command gc says; what it finds and removes is tested beside `synalign.upkeep.collect`."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from synalign.storage import Place
from synalign.upkeep import collect
from synalign.upkeep.collect import Found, Rubbish
from tests.cli.calling import call


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    """What the command asks for; two attempts of 1 and 2 MiB are found, and one interval that is in use."""
    calls: list[dict[str, Any]] = []

    def found(retriever: str | None, *, older_than: timedelta, remove: bool) -> Found:
        calls.append({"retriever": retriever, "older_than": older_than, "remove": remove})
        attempts = tuple(Rubbish(Place(f"/r/{n}"), "superseded", n * 2**20) for n in (1, 2))
        return Found(attempts if retriever != "empty" else (), (Place("/r/busy"),), remove)

    monkeypatch.setattr(collect, "collect", found)
    return calls


def test_without_yes_it_lists(asked: list[dict[str, Any]]) -> None:
    lines = call("gc", "shop", "--older-than", "7").output.splitlines()
    assert asked == [{"retriever": "shop", "older_than": timedelta(days=7), "remove": False}]
    assert [line.split() for line in lines[:2]] == [
        ["superseded", "1.0", "MiB", "/r/1"],
        ["superseded", "2.0", "MiB", "/r/2"],
    ]
    assert lines[2].startswith("in use") and lines[2].endswith("/r/busy")
    assert lines[3] == "2 attempts, 3.0 MiB; nothing was removed: --yes removes them"


def test_with_yes_it_removes(asked: list[dict[str, Any]]) -> None:
    assert call("gc", "--yes").output.splitlines()[-1] == "2 attempts, 3.0 MiB: removed"
    assert asked == [{"retriever": None, "older_than": timedelta(days=1), "remove": True}]


def test_where_there_is_nothing_it_says_so(asked: list[dict[str, Any]]) -> None:
    assert call("gc", "empty").output.splitlines()[-1] == "nothing to collect"


def test_programs_get_json(asked: list[dict[str, Any]]) -> None:
    found = json.loads(call("gc", "--json").output)
    assert (found["removed"], found["bytes"], found["busy"]) == (False, 3 * 2**20, ["/r/busy"])
    assert [each["folder"] for each in found["rubbish"]] == ["/r/1", "/r/2"]
