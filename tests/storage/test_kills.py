"""A process killed before, in or after any one change to storage: a reader sees the old step or the new one, whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest

from synalign.config import Configuration
from synalign.run import Attempt, Run
from synalign.steps.job import perform
from synalign.storage import Place, lease
from tests.run.made_steps import DOCUMENTS, INTERVAL, ingest

Make = Callable[..., Configuration]
CHANGES = ("write_bytes", "create", "replace", "remove")


class Killed(BaseException):
    """The process is gone: nothing that it would still have done happens."""


class Dying:
    """Lets so many changes to storage happen, then none: the next is not done, or is and nobody hears of it.

    Attributes:
        left: Changes that are still to happen.
        done: Those that did.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, left: float, *, heard: bool) -> None:
        self.left, self.done = left, list[str]()
        for name in CHANGES:
            monkeypatch.setattr(Place, name, self._limited(name, getattr(Place, name), heard))
        monkeypatch.setattr(Place, "open_output", self._output(Place.open_output, heard))

    def _limited(self, name: str, change: Callable[..., Any], heard: bool) -> Callable[..., Any]:
        def limited(place: Place, *arguments: Any) -> Any:
            self._before(heard)
            found = change(place, *arguments)
            self._after(name, place, heard)
            return found

        return limited

    def _output(self, open_output: Callable[..., Any], heard: bool) -> Callable[..., Any]:
        @contextmanager
        def limited(place: Place) -> Iterator[Any]:
            with open_output(place) as stream:
                yield stream
                self._before(heard)
            self._after("open_output", place, heard)

        return limited

    def _before(self, heard: bool) -> None:
        if self.left < 1 and (heard or self.left < 0):
            self.left = -1
            raise Killed

    def _after(self, name: str, place: Place, heard: bool) -> None:
        self.done.append(f"{name} {place.name}")
        self.left -= 1
        if not heard and self.left < 0:
            raise Killed


def other(attempt: Attempt) -> None:
    """The step once more, with one document less."""
    ingest(attempt)
    (attempt.output("documents") / "part-00000.parquet").remove()
    attempt.write("documents", DOCUMENTS.slice(1))


@pytest.mark.parametrize("heard", [True, False], ids=["not done", "done and not heard of"])
def test_killed_at_any_change_the_step_is_the_old_one_or_the_new_one(
    place: Place, configuration: Make, monkeypatch: pytest.MonkeyPatch, heard: bool
) -> None:
    for name, seconds in {"RENEWED_AFTER": 60.0, "LOST_AFTER": 0.3, "LOOKED_AFTER": 0.05}.items():
        monkeypatch.setattr(lease, name, seconds)

    def documents(run: Run) -> pa.Table:
        return run.read("documents", ["document_id"])["document_id"].to_pylist()

    seen, number = [], 0
    while True:
        monkeypatch.setenv("SYNALIGN_STORE", str(place / f"{number}"))
        run = Run(configuration(), INTERVAL)
        perform(run, "ingest", ingest, {"log": "a"})
        with monkeypatch.context() as dying:
            death = Dying(dying, number, heard=heard)
            try:
                perform(run, "ingest", other, {"log": "b"})
                killed = False
            except Killed:
                killed = True
        # Whatever was killed: one of both, whole.
        seen.append(documents(run))
        assert seen[-1] in (["d1", "d2"], ["d2"])
        reused = perform(run, "ingest", other, {"log": "b"})["reused"]
        assert reused == (seen[-1] == ["d2"])
        assert documents(run) == ["d2"]
        manifests = [folder / "manifest.json" for folder in (run.folder / "ingest").folders()]
        assert all(manifest.is_file() for manifest in manifests)
        if not killed:
            break
        number += 1
    # It was killed at many places, and the one change that matters is a single one among them.
    assert number >= 9 and sorted(seen, key=len, reverse=True) == seen and len({*map(tuple, seen)}) == 2
    assert any("manifest.json" in change for change in death.done)
