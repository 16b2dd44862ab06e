"""Experiments in the store and in the registry alike."""

from collections.abc import Callable
from datetime import date

import pytest

from synalign.errors import RegistryError, RunError
from synalign.experiment import ExperimentPlan, store
from synalign.registry import lifecycle
from tests.registry.shop import aliases, day, registered_set

Make = Callable[..., ExperimentPlan]


def test_store_and_registry_move_together(plan: Make, second: ExperimentPlan, uri: str) -> None:
    made = plan()
    lifecycle.start(made, "ann", day(1), uri)
    with pytest.raises(RunError, match="cannot change"):
        lifecycle.start(plan(power=0.9), "ann", day(1), uri)
    assert lifecycle.state(made, date(2026, 2, 1)) == "begins 2026-03-01"
    assert lifecycle.state(made, date(2026, 3, 2)) == "running until 2026-03-30"
    assert lifecycle.state(made, date(2026, 4, 2)) == "over since 2026-03-30, not ended"
    lifecycle.promote(made, "ann", day(9), "+5 %", uri)
    note = store.ended(made)
    assert note is not None and (note.at, note.reason) == (day(9), "promoted by ann: +5 %")
    lifecycle.start(second, "ann", day(32), uri)
    assert store.running("shop", date(2026, 4, 10)) == second
    lifecycle.roll_back("shop", "eve", day(41), "latency", uri)
    assert store.running("shop", date(2026, 4, 10)) is None
    assert aliases(uri)["champion"] == "1" and "challenger" not in aliases(uri)
    assert lifecycle.end(second, "eve", day(42), "its control is gone", uri).kind == "ended"


def test_a_start_that_the_registry_refuses_keeps_no_plan(plan: Make, uri: str) -> None:
    registered_set(uri, "ff" * 32)
    with pytest.raises(RegistryError):
        lifecycle.start(plan(), "ann", day(1), uri)
    assert store.started("shop") == []
