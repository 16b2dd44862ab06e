"""A day's read-out: the logs are added up, checked, compared and judged, and the result is written."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from synalign.errors import ArgumentError
from synalign.experiment import logs, readout_chart
from synalign.experiment.effects import effects
from synalign.experiment.findings import JSON, RULES, Bounds, Effect, Readout, Verdict, file, files, read
from synalign.experiment.validity import undecided, void_reasons
from synalign.experiment.verdict import decide, sentence, void_sentence

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from synalign.experiment.log_files import EventLog
    from synalign.experiment.logs import Log
    from synalign.experiment.plan import ExperimentPlan

__all__ = ["CHART", "JSON", "Bounds", "Effect", "Readout", "Verdict", "judge", "read", "read_out", "write"]

CHART = "chart.svg"


def read_out(spark: SparkSession, plan: ExperimentPlan, exposures: EventLog, outcomes: EventLog, day: date) -> Readout:
    """Read out an experiment up to the end of a day.

    Args:
        spark: A session.
        plan: The experiment.
        exposures: Folder of Parquet files, or a table that Spark reads; see `synalign.experiment.logs`.
        outcomes: Folder of Parquet files.
        day: The last day (UTC) that counts; a day of the experiment.

    Returns:
        The read-out. The same files give the same one, but for the last of ten digits at most.

    Raises:
        ArgumentError: The day is not one of the experiment.
        InputError: The logs cannot be used; see `synalign.experiment.logs.read`.
    """
    if not plan.start <= day <= plan.stop:
        raise ArgumentError("day", day.isoformat(), f"must be from {plan.start} to {plan.stop}, the days of {plan.id}")
    return judge(plan, logs.read(spark, plan, exposures, outcomes, day), day)


def judge(plan: ExperimentPlan, log: Log, day: date) -> Readout:
    """Judge an experiment by its logs, once they are added up.

    Args:
        plan: The experiment.
        log: Its logs.
        day: The last day that counts.
    """
    reasons = void_reasons(plan, log, day)
    found = () if reasons else effects(plan, log.sums, log.unit_days)
    reasons = reasons or undecided(plan, found, log.units, day)
    found = () if reasons else found
    verdict = "void" if reasons else decide(plan, found, log.units, day)
    return Readout(
        experiment=plan.id,
        retriever=plan.retriever,
        plan_digest=plan.digest,
        day=day,
        look=(day - plan.start).days + 1,
        units=log.units,
        planned_units=plan.sample_size_per_arm,
        valid=not reasons,
        void_reasons=reasons,
        rule=RULES[plan.stopping.rule],
        effects=found,
        verdict=verdict,
        sentence=void_sentence(reasons) if reasons else sentence(plan, verdict, found, log.units, day),
    )


def write(readout: Readout, folder: Path) -> Path:
    """Keep a read-out, and a chart of it and all earlier ones of the same plan.

    Writing it again replaces it, whole or not at all; the same read-outs give the same bytes.

    Args:
        readout: The read-out.
        folder: The experiment's folder.

    Returns:
        `<folder>/readouts/<day>`, which holds `readout.json` and `chart.svg`.

    Raises:
        RunError: An earlier read-out is damaged.
    """
    place = file(folder, readout.day).parent
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f".{place.name}.*"):
        shutil.rmtree(left)
    draft = place.parent / f".{place.name}.{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    content = json.dumps(readout.as_json(), indent=2, sort_keys=True, ensure_ascii=False)
    (draft / JSON).write_text(f"{content}\n", encoding="utf-8")
    (draft / CHART).write_text(readout_chart.chart([*_earlier(readout, folder), readout]), encoding="utf-8")
    if place.exists():
        os.rename(place, draft.with_name(f".{place.name}.old-{uuid.uuid4().hex[:8]}"))
    os.rename(draft, place)
    for left in place.parent.glob(f".{place.name}.*"):
        shutil.rmtree(left)
    return place


def _earlier(readout: Readout, folder: Path) -> Sequence[Readout]:
    """List read-outs of the same plan on earlier days, in order."""
    found = [read(path) for path in files(folder) if path < file(folder, readout.day)]
    return [each for each in found if each.plan_digest == readout.plan_digest]
