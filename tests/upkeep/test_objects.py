"""The same in object storage: run folders, journal, vectors and the list of forgotten queries in a bucket."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from synalign import flow
from synalign.config import Configuration
from synalign.generation.journal import Journal
from synalign.querylog import tombstones
from synalign.querylog.trace import Trace
from synalign.run import Run, manifests
from synalign.storage import Place
from synalign.upkeep.forget import forget
from tests.upkeep.conftest import BYSTANDERS, QUERY, keep_answers, keep_vectors, make_run
from tests.upkeep.test_forget import hits


@pytest.fixture
def stored(bucket: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("SYNALIGN_STORE", str(bucket))
    return bucket


def left(store: Place, tmp_path: Path) -> list[str]:
    """Every object that still has the query."""
    found, copy = [], tmp_path / "copy"
    for place, _ in store.tree():
        copy.write_bytes(place.read_bytes())
        found += [str(place)] if any(hits(copy, Trace(QUERY))) else []
    return found


@pytest.mark.slow
def test_it_is_in_no_object_afterwards_and_the_run_can_be_read(
    stored: Place, tmp_path: Path, configuration: Callable[..., Configuration]
) -> None:
    run: Run = make_run(configuration())
    keep_answers(run)
    keep_vectors()
    assert len(left(stored, tmp_path)) > 15
    told = forget(QUERY)
    assert left(stored, tmp_path) == []
    assert (told.answers, told.vectors, told.rows["training_set"]) == (3, 3, 3)
    for step in flow.before("report"):
        assert manifests.intact(run.folder / step.name, run.require(step.name))
    assert set(run.read("queries")["query"].to_pylist()) == set(BYSTANDERS)
    with Journal(run.journal) as journal:
        assert len(journal) == 1


@pytest.mark.slow
def test_of_many_who_forget_at_once_nobody_undoes_another(stored: Place) -> None:
    queries = [f"query {number}" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda query: tombstones.add("shop", Trace(query)), queries))
    (found,) = tombstones.lists("shop")
    assert all(map(found.has, queries))
    assert len(found.keys) == len(queries)
