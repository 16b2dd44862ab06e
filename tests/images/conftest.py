"""The images, built once; `make test-images` builds both, CI the target `airflow`, and all else builds none."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from filelock import FileLock

from tests.images import buildah, building
from tests.images.buildah import Container
from tests.images.building import Built

TARGETS = os.environ.get("SYNALIGN_TEST_IMAGES", "").split()
collect_ignore_glob = [] if TARGETS else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show sizes and times."""
    if building.RECORD:
        terminalreporter.section("images")
        for line in building.RECORD:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def base() -> Iterator[str]:
    """The stand-in for the official Python image; one test run at a time has the storage."""
    if problem := buildah.problem():
        pytest.skip(problem)
    buildah.ROOT.mkdir(parents=True, exist_ok=True)
    with FileLock(buildah.ROOT / "lock"):
        buildah.clear()
        try:
            yield building.make_base()
        finally:
            buildah.clear()


@pytest.fixture(scope="session")
def airflow_built(base: str) -> Built:
    """The image `airflow`."""
    return building.make("airflow", base)


@pytest.fixture(scope="session")
def jobs_built(base: str, airflow_built: Built) -> Built:
    """The image `jobs`."""
    if "jobs" not in TARGETS:
        pytest.skip("the image `jobs` takes minutes to build: make test-images")
    return building.make("jobs", base)


@pytest.fixture
def airflow(airflow_built: Built) -> Iterator[Container]:
    """A new container of the image `airflow`."""
    with buildah.container(airflow_built.image) as made:
        yield made


@pytest.fixture
def jobs(jobs_built: Built) -> Iterator[Container]:
    """A new container of the image `jobs`."""
    with buildah.container(jobs_built.image) as made:
        yield made


@pytest.fixture(params=["airflow", "jobs"])
def either(request: pytest.FixtureRequest) -> Container:
    """A new container of one image, then of the other."""
    made: Container = request.getfixturevalue(request.param)
    return made
