"""How people name a run: each way, and what is said when there is no such run."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from synalign import changes
from synalign.config import Configuration, home
from synalign.errors import RegistryError, RunError
from synalign.flow import step
from synalign.registry import lookup
from synalign.run import Attempt, Interval, Run
from synalign.steps.register import register
from tests.report.runs import INTERVAL, made_run

Make = Callable[..., Configuration]
EARLIER = Interval.parse("2026-02-27", "2026-02-28")
YAML = """
retriever: shop
schedule: {start: 2026-01-01}
source: {kind: log, path: log, format: jsonl, documents: {path: d.jsonl, format: jsonl}}
"""


@pytest.fixture
def mlflow(empty_database: bytes) -> Path:
    """An MLflow of the test's own."""
    path = home() / "mlflow" / "mlflow.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(empty_database)
    return path


def begun(configuration: Configuration, interval: Interval) -> Run:
    run = Run(configuration, interval)
    run.keep_configuration()
    return run


def registered(run: Run) -> Run:
    attempt = Attempt(run, step("register"))
    attempt.begin()
    register(attempt)
    attempt.commit()
    return run


def test_a_retriever_means_its_latest_run(configuration: Make) -> None:
    begun(configuration(), EARLIER)
    latest = begun(configuration(), INTERVAL)
    assert lookup.find("shop").folder == latest.folder


def test_the_latest_run_is_the_one_that_was_registered_last(configuration: Make) -> None:
    first = made_run(configuration())
    begun(configuration(), Interval.parse("2026-03-05", "2026-03-06"))
    assert lookup.find("shop").folder == first.folder


def test_an_interval_is_named_by_its_beginning(configuration: Make) -> None:
    runs = [begun(configuration(), interval) for interval in (EARLIER, INTERVAL)]
    assert lookup.find("shop/20260227").folder == runs[0].folder
    assert lookup.find(f"shop/{INTERVAL.name}").folder == runs[1].folder


def test_a_folder_is_a_run_wherever_it_lies(configuration: Make, tmp_path: Path) -> None:
    run = begun(configuration(seed=5), INTERVAL)
    copy = tmp_path / "elsewhere" / INTERVAL.name
    shutil.copytree(run.folder, copy)
    shutil.rmtree(run.folder)
    found = lookup.find(str(copy))
    assert (found.folder.local, found.configuration.seed) == (copy, 5)


def test_a_yaml_file_means_the_latest_run_of_its_retriever_as_it_was_made(configuration: Make, tmp_path: Path) -> None:
    begun(configuration(seed=5), INTERVAL)
    (tmp_path / "shop.yaml").write_text(YAML)
    assert lookup.find(str(tmp_path / "shop.yaml")).configuration.seed == 5


def test_a_folder_named_like_the_retriever_does_not_stand_in_its_way(
    configuration: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun(configuration(), INTERVAL)
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path)
    assert lookup.find("shop").folder == run.folder


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("shoe", "'shoe' has no run in (.|\n)*there are runs of shop"),
        ("shop/2027", "shop/2027 names no run of 2(.|\n)*the latest intervals are 20260228T(.|\n)*20260227T"),
        ("shop/202602", "shop/202602 names 2 runs of 2, must name one"),
        ("./nowhere", "'./nowhere' names no run(.|\n)*RETRIEVER@VERSION"),
        (".", "configuration.json is not there"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(configuration: Make, reference: str, expected: str) -> None:
    for interval in (EARLIER, INTERVAL):
        begun(configuration(), interval)
    with pytest.raises(RunError, match=expected):
        lookup.find(reference)


def test_where_there_is_no_run_at_all_it_says_how_to_begin() -> None:
    with pytest.raises(RunError, match="run `synalign refresh` first"):
        lookup.find("shop")


@pytest.mark.parametrize("reference", ["shop@1", "shop@current", "shop-training-set/1"])
def test_a_version_means_the_run_that_made_it(configuration: Make, mlflow: Path, reference: str) -> None:
    run = registered(made_run(configuration(), until="register"))
    assert lookup.find(reference).folder == run.folder


def test_a_version_that_is_not_there_is_answered_with_those_that_are(configuration: Make, mlflow: Path) -> None:
    registered(made_run(configuration(), until="register"))
    with pytest.raises(RegistryError, match=r"no complete version '9'(.|\n)*its versions are 1"):
        lookup.find("shop@9")
    with pytest.raises(RegistryError, match=r"shoe-training-set has no alias 'current'(.|\n)*are shop-training-set"):
        lookup.find("shoe@current")


def test_a_version_whose_run_was_made_anew_is_compared_from_what_mlflow_keeps(
    configuration: Make, mlflow: Path
) -> None:
    registered(made_run(configuration(), until="register", texts=("one", "two", "three")))
    registered(made_run(configuration(seed=3), until="register", texts=("one", "two", "four")))
    with pytest.raises(RunError, match=r"the run of shop@1 is not in .* any more"):
        lookup.find("shop@1")
    before, after = changes.side("shop@1"), changes.side("shop@2")
    assert (before.run, after.run is None) == (None, False)
    assert (before.configuration.seed, after.configuration.seed) == (0, 3)
    assert set(before.rows["query"].to_pylist()) == {"one", "two", "three"}
    assert before.metrics("align").keys() == after.metrics("align").keys() != set()
