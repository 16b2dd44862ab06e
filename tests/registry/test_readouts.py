"""Read-outs in a real MLflow database: one point per day, the newest verdict, the chart that grows."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient

from synalign.errors import RegistryError
from synalign.experiment import ExperimentPlan
from synalign.experiment.findings import Readout
from synalign.experiment.readout import judge, write
from synalign.registry.experiments import experiment_run
from synalign.registry.readouts import figures, log_readout
from tests.experiment.test_readout import day, log, logged

Make = Callable[..., ExperimentPlan]


def put(readout: Readout, run: str, folder: Path, uri: str) -> None:
    log_readout(readout, run, uri, write(readout, folder))


def test_every_day_is_one_point_and_the_newest_verdict_stands(plan: Make, uri: str, tmp_path: Path) -> None:
    made, client = plan(), MlflowClient(uri)
    run = experiment_run(made, uri)
    days = {number: judge(made, logged(made, 0.4 + 0.02 * number), day(number)) for number in (1, 2, 3)}
    days[4] = judge(made, log(two_arms=1), day(4))
    for readout in days.values():
        put(readout, run, tmp_path, uri)
    history = client.get_metric_history(run, "effect.clicks.relative_lower")
    assert [point.step for point in history] == [1, 2, 3]
    for point in history:
        (effect,) = days[point.step].effects
        assert effect.relative_interval is not None
        assert point.value == effect.relative_interval.lower
    assert [point.value for point in client.get_metric_history(run, "valid")] == [1.0, 1.0, 1.0, 0.0]
    tags = client.get_run(run).data.tags
    assert (tags["verdict"], tags["sentence"]) == ("void", days[4].sentence)
    chart = Path(client.download_artifacts(run, "chart.svg", str(tmp_path)))
    assert chart.read_bytes() == (tmp_path / "readouts" / "2026-03-04" / "chart.svg").read_bytes()


def test_a_day_that_is_read_again_adds_no_point_and_takes_no_later_verdict_back(
    plan: Make, uri: str, tmp_path: Path
) -> None:
    made, client = plan(), MlflowClient(uri)
    run = experiment_run(made, uri)
    for number, clicks in ((1, 0.41), (2, 0.5), (2, 0.5), (1, 0.41)):
        put(judge(made, logged(made, clicks), day(number)), run, tmp_path, uri)
    late = judge(made, logged(made, 0.43), day(1))
    put(late, run, tmp_path, uri)
    for key in figures(late):
        assert [point.step for point in client.get_metric_history(run, key)] == [1, 2], key
    # What was seen on the day stays among the metrics, what is seen now is in the files.
    assert client.get_metric_history(run, "effect.clicks.treatment")[0].value == 0.41
    assert client.get_run(run).data.tags["verdict"] == "ship"
    again = Path(client.download_artifacts(run, "readouts/2026-03-01/readout.json", str(tmp_path)))
    assert Readout.model_validate_json(again.read_bytes()) == late


def test_a_run_that_is_not_there_is_told(plan: Make, uri: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="read the day out again"):
        log_readout(judge(plan(), logged(plan()), day(1)), "0" * 32, uri)
