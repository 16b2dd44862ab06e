"""A read-out from files to verdict, what is written of it, and what a light task can read back."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from synalign.errors import ArgumentError
from synalign.experiment import ExperimentPlan
from synalign.experiment.findings import Readout
from synalign.experiment.logs import Log
from synalign.experiment.readout import judge, read, read_out, write
from synalign.local import experiment_data
from tests.experiment.test_effects import sums
from tests.experiment.test_validity import log

Make = Callable[..., ExperimentPlan]
METRICS: dict[str, Any] = {
    "primary": {"name": "ctr", "numerator": "clicks", "denominator": "searches"},
    "guardrails": [
        {"name": "latency", "numerator": "latency_ms", "denominator": "searches", "better": "lower", "margin": 0.05}
    ],
    "secondary": [{"name": "orders", "numerator": "orders"}],
    "covariate": {"days": 3},
    "minimum_detectable_effect": 0.25,
    "baseline": {"mean": 0.35, "variance": 0.2, "units_per_day": 2_000},
}


def logged(plan: ExperimentPlan, clicks: float = 0.4, **faults: Any) -> Log:
    """Sums of an experiment whose treatment has so many clicks per unit."""
    arms = {"control": sums(5_000, clicks=(0.4, 0.24)), "treatment": sums(5_000, clicks=(clicks, 0.24))}
    return log(sums=arms, **faults)


def day(number: int) -> date:
    return date(2026, 3, 1) + timedelta(days=number - 1)


def test_three_made_experiments_get_the_verdicts_of_their_truths(plan: Make, spark: Any, tmp_path: Path) -> None:
    made_plan = plan(**METRICS)
    worlds = {
        "better": experiment_data.World(units=6_000, uplift=0.25, seed=1),
        "same": experiment_data.World(units=6_000, seed=2),
        "broken": experiment_data.World(units=6_000, lost=0.2, seed=3),
    }
    found = {}
    for name, world in worlds.items():
        logs = experiment_data.make(made_plan, tmp_path / name, world, until=day(3))
        found[name] = read_out(spark, made_plan, logs.exposures, logs.outcomes, day(3))
    assert [found[name].verdict for name in worlds] == ["ship", "no difference", "void"]
    better, broken = found["better"].effect("ctr"), found["broken"]
    assert better is not None
    assert better.covariate
    assert better.relative_interval is not None
    assert better.relative_interval.lower < 0.25 < better.relative_interval.upper
    assert (broken.valid, broken.effects) == (False, ())
    assert "sample ratio mismatch" in broken.sentence
    again = read_out(spark, made_plan, tmp_path / "better" / "exposures", tmp_path / "better" / "outcomes", day(3))
    assert again == found["better"]


@pytest.mark.parametrize("day", [date(2026, 2, 28), date(2026, 3, 31)])
def test_a_day_outside_the_experiment_is_refused(plan: Make, tmp_path: Path, day: date) -> None:
    with pytest.raises(ArgumentError, match="must be from 2026-03-01 to 2026-03-30"):
        read_out(None, plan(), tmp_path, tmp_path, day)  # type: ignore[arg-type]


def test_a_void_result_has_no_effect_in_words_or_numbers(plan: Make) -> None:
    readout = judge(plan(), logged(plan(), clicks=0.8, two_arms=3), day(2))
    assert (readout.verdict, readout.valid, readout.effects) == ("void", False, ())
    assert readout.sentence == "Void: 3 units in both arms. No effect is reported until that is mended."


def test_what_is_written_is_read_back_and_is_the_same_bytes_again(plan: Make, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        place = write(judge(plan(), logged(plan(), 0.4 + 0.02 * number), day(number)), tmp_path)
    assert place == tmp_path / "readouts" / "2026-03-03"
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    assert set(before) == {"readout.json", "chart.svg"}
    readout = read(place / "readout.json")
    assert readout == judge(plan(), logged(plan(), 0.46), day(3))
    assert write(readout, tmp_path) == place
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before
    assert sorted(path.name for path in (tmp_path / "readouts").iterdir()) == ["2026-03-01", "2026-03-02", "2026-03-03"]


def constant(control: float, treatment: float, spread: tuple[float, float] = (0.0, 0.0)) -> Log:
    """Sums of an experiment in which all units of an arm are alike, but for a variance that is given."""
    arms = {
        "control": sums(5_000, clicks=(control, spread[0])),
        "treatment": sums(5_000, clicks=(treatment, spread[1])),
    }
    return log(sums=arms)


@pytest.mark.parametrize(
    ("log_", "verdict"),
    [
        (constant(1.0, 2.0), "void"),
        (constant(2.0, 1.0), "void"),
        (constant(0.0, 0.0), "void"),
        (constant(1.0, 1.0), "void"),
        (constant(1.0, 1.0 + 1e-12), "void"),
        # One arm that varies is enough to tell.
        (constant(1.0, 2.0, (0.0, 0.5)), "ship"),
        (constant(1.0, 2.0, (0.5, 0.0)), "ship"),
        (constant(2.0, 1.0, (0.0, 0.5)), "stop for harm"),
        (constant(0.3, 0.0, (0.2, 0.0)), "stop for harm"),
        (constant(1.0, 1.0, (0.0, 0.5)), "no difference"),
    ],
)
def test_the_last_day_of_metrics_that_hardly_vary(plan: Make, log_: Log, verdict: str) -> None:
    found = judge(plan(), log_, plan().stop)
    assert found.verdict == verdict, found.sentence
    assert "nan" not in str(found.as_json()).lower()
    assert found.valid == (verdict != "void")


@pytest.mark.parametrize(("control", "treatment"), [(1, 1), (1, 0), (99, 99), (100, 99)])
def test_a_handful_of_units_is_never_called_no_difference(plan: Make, control: int, treatment: int) -> None:
    arms = {"control": sums(control, clicks=(0.4, 0.24)), "treatment": sums(treatment, clicks=(0.4, 0.24))}
    units = {"control": control, "treatment": treatment}
    few = log(units=units, unit_days=9.0, sums={arm: each for arm, each in arms.items() if units[arm]})
    assert judge(plan(), few, plan().stop).verdict == "void"
    assert judge(plan(), few, day(3)).verdict == ("keep going" if treatment else "void")


def test_a_readout_says_by_which_rule_it_is_judged(plan: Make, tmp_path: Path) -> None:
    new, old = plan(), plan(stopping={"rule": "confidence_sequence"})
    assert judge(new, logged(new), day(3)).rule.startswith("pooled_confidence_sequence: ")
    found = judge(old, logged(old), day(3))
    assert found.rule.startswith("registered as confidence_sequence")
    # One that was written before read-outs said it.
    content = found.as_json()
    del content["rule"]
    (tmp_path / "readout.json").write_text(json.dumps(content))
    assert read(tmp_path / "readout.json").rule.startswith("confidence_sequence: ")


def test_a_write_that_was_killed_leaves_nothing_behind(plan: Make, tmp_path: Path) -> None:
    left = tmp_path / "readouts" / ".2026-03-01.dead"
    left.mkdir(parents=True)
    (left / "readout.json").write_text("{")
    write(judge(plan(), logged(plan()), day(1)), tmp_path)
    assert [path.name for path in (tmp_path / "readouts").iterdir()] == ["2026-03-01"]


def test_numbers_are_kept_to_ten_digits(plan: Make) -> None:
    (effect,) = judge(plan(), logged(plan(), 0.4 + 1e-13), day(1)).effects
    assert effect.treatment == 0.4


def test_a_readout_is_closed(plan: Make) -> None:
    content = judge(plan(), logged(plan()), day(1)).as_json()
    with pytest.raises(ValueError, match="extra"):
        Readout.model_validate({**content, "extra": 1})
