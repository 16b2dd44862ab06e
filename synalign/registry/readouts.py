"""Read-outs in MLflow: figures by day in the experiment's run, the newest verdict in its tags, the chart that grows."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.entities import Metric, RunTag

from synalign.registry.connection import connected

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from synalign.experiment.findings import Readout

log = logging.getLogger("synalign")

_DAY = "synalign.readout_day"
# 1 January 1970, as Python counts days.
_EPOCH = 719_163
# MLflow's limit for the value of a tag.
_LONGEST_TAG = 5000


def log_readout(readout: Readout, run_id: str, uri: str, place: Path | None = None) -> None:
    """Log a day's read-out into the MLflow run of its experiment; its day's number is the metrics' step.

    A day that is read out again adds no second point to a metric: what was seen on that day stays, and the files under
    `readouts/<day>` are replaced by what is seen now. Tags and the chart are those of the latest day.

    Args:
        readout: The read-out.
        run_id: The experiment's run, from `synalign.registry.experiments.experiment_run`.
        uri: MLflow's address.
        place: What `synalign.experiment.readout.write` returned: the folder with `readout.json` and the chart. None:
            figures and tags only.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    with connected(uri, "read the day out again") as client:
        tags = client.get_run(run_id).data.tags
        new = [metric for metric in _metrics(readout) if not _has_point(client, run_id, metric)]
        client.log_batch(run_id, metrics=new)
        if place is not None:
            client.log_artifacts(run_id, str(place), f"readouts/{readout.day}")
        if readout.day.isoformat() < tags.get(_DAY, ""):
            log.info("%s: the verdict of %s stays, %s is earlier", readout.experiment, tags[_DAY], readout.day)
            return
        if place is not None:
            client.log_artifact(run_id, str(place / "chart.svg"))
        # The day is last in the list, and all of them are written in one go.
        named = {"verdict": readout.verdict, "sentence": readout.sentence[:_LONGEST_TAG], _DAY: str(readout.day)}
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in named.items()])


def figures(readout: Readout) -> dict[str, float]:
    """Return the metrics of a read-out, such as `effect.<metric>.relative` and `units.control`."""
    found: dict[str, float] = {f"units.{arm}": float(count) for arm, count in readout.units.items()}
    found["valid"] = float(readout.valid)
    for effect in readout.effects:
        numbers = {
            "control": effect.control,
            "treatment": effect.treatment,
            "difference": effect.difference,
            "relative": effect.relative,
            "p_value": effect.p_value,
            "adjusted_p_value": effect.adjusted_p_value,
        }
        for name, bounds in (("", effect.interval), ("relative_", effect.relative_interval)):
            if bounds is not None:
                numbers |= {f"{name}lower": bounds.lower, f"{name}upper": bounds.upper}
        found |= {f"effect.{effect.name}.{key}": value for key, value in numbers.items() if value is not None}
    return found


def _metrics(readout: Readout) -> list[Metric]:
    # The time of the point is the day itself, so that a repeated point is the same point.
    at = (readout.day.toordinal() - _EPOCH) * 86_400_000
    return [Metric(key, value, at, readout.look) for key, value in figures(readout).items()]


def _has_point(client: MlflowClient, run_id: str, metric: Metric) -> bool:
    return any(point.step == metric.step for point in client.get_metric_history(run_id, metric.key))
