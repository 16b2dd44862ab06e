"""What is in both images, and how large they are.

Built on Debian's Python: what is tested is not the official base image.
"""

from __future__ import annotations

import re
import shutil
import stat
from pathlib import Path

import pytest

from synalign import __version__
from tests.images import building
from tests.images.buildah import Container, mounted
from tests.images.building import Built
from tests.production.compose import CHECKOUT, DOCKER

MOST_SECONDS = 30.0
MOST_GIGABYTES = {"airflow": 1.1, "jobs": 3.3}


def test_an_image_is_no_larger_than_it_has_to_be(airflow_built: Built) -> None:
    assert airflow_built.gigabytes <= MOST_GIGABYTES["airflow"]


def test_the_image_of_the_jobs_has_torch_without_cuda_and_shares_the_layers_of_the_other(
    jobs_built: Built, airflow_built: Built, jobs: Container
) -> None:
    assert jobs_built.gigabytes <= MOST_GIGABYTES["jobs"]
    # All but the last, which is the code.
    packages = airflow_built.layers[:-1]
    assert jobs_built.layers[: len(packages)] == packages
    said = jobs.run("python", "-c", "import torch; print(torch.version.cuda)")
    assert said.stdout == "None\n"
    listed = jobs.run("pip", "list", "--format=freeze").stdout
    assert not re.search(r"^(nvidia|triton|cuda)", listed, re.MULTILINE)


@pytest.mark.parametrize("target", ["airflow", "jobs"])
def test_a_changed_line_of_code_installs_nothing_again(
    target: str, base: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    built: Built = request.getfixturevalue(f"{target}_built")
    for name in ("docker", "synalign", "dags", "jobs"):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy2(CHECKOUT / name, tmp_path / name)
    with open(tmp_path / "synalign" / "java.py", "a", encoding="utf-8") as file:
        file.write("# One more line.\n")
    again = building.make(target, base, tmp_path, "after a changed line of code")
    assert again.layers[:-1] == built.layers[:-1]
    assert again.layers[-1] != built.layers[-1]
    assert again.seconds < max(built.seconds, MOST_SECONDS)


def test_every_package_is_one_that_the_constraints_pin_and_none_contradicts_another(either: Container) -> None:
    checked = either.run("pip", "check")
    assert (checked.returncode, checked.stdout) == (0, "No broken requirements found.\n")
    installed = dict(re.findall(r"^([\w.-]+)==([^\n]+)$", either.run("pip", "freeze", "--all").stdout, re.MULTILINE))
    pins = dict(re.findall(r"^([\w.-]+)==([^\n]+)$", (DOCKER / "constraints.txt").read_text(), re.MULTILINE))
    plain = {re.sub(r"[._]", "-", name).lower(): version for name, version in pins.items()}
    for name, version in installed.items():
        if name not in ("pip", "synalign"):
            assert version.split("+")[0] == plain.get(re.sub(r"[._]", "-", name).lower()), name


def test_the_code_is_there_once_and_only_root_can_change_it(either: Container) -> None:
    with mounted(either) as root:
        copies = [path.relative_to(root) for path in root.rglob("synalign/flow.py")]
        assert copies == [Path("opt/synalign/synalign/flow.py")]
        for path in [root / "opt/synalign", *(root / "opt/synalign").rglob("*"), root / "opt/venv/bin/python"]:
            found = path.lstat()
            assert (found.st_uid, found.st_gid) == (0, 0), path
            assert path.is_symlink() or not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH), path
            assert path.is_symlink() or found.st_mode & stat.S_IROTH, path
        for folder in ("home/synalign", "var/lib/synalign", "var/lib/airflow", "var/lib/airflow/logs", "var/lib/spark"):
            found = (root / folder).stat()
            assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (50000, 0, 0o770), folder
    said = either.run(
        "sh", "-c", "cd /tmp && python -c 'import synalign; print(synalign.__file__)' && synalign --version"
    )
    assert said.stdout == f"/opt/synalign/synalign/__init__.py\nsynalign {__version__}\n"


def test_nothing_of_the_building_machine_is_left(either: Container) -> None:
    """Its settings of pip and apt, wheels and caches; retrievers, runs and secrets of the checkout."""
    with mounted(either) as root:
        for name in ("etc/pip.conf", "etc/xdg", "opt/wheels", "root/.cache", "root/.config", "home/synalign"):
            # What was mounted while it was built leaves empty files and folders.
            files = [root / name, *(root / name).rglob("*")]
            assert not [file for file in files if file.is_file() and file.stat().st_size], name
        for name in ("var/lib/apt/lists", "var/cache/apt"):
            assert not [file for file in (root / name).rglob("*") if file.is_file() and file.stat().st_size > 1000]
        opt = sorted(path.name for path in (root / "opt").iterdir() if any(path.rglob("*")))
        assert opt == ["synalign", "venv"]
        code = root / "opt/synalign"
        assert sorted(path.name for path in code.iterdir() if not path.name.endswith(".egg-info")) == [
            "dags", "docker", "jobs", "pyproject.toml", "setup.cfg", "synalign",
        ]  # fmt: skip
        assert [path.name for path in (code / "dags/retrievers").iterdir()] == ["demo.yaml"]
        assert not {"compose.yaml", ".env", ".env.example"} & {path.name for path in (code / "docker").iterdir()}
    names = {line.partition("=")[0] for line in either.run("env").stdout.splitlines()}
    foreign = re.compile(r"^PIP_(?!NO_CACHE|DISABLE)|PROXY|TOKEN|SECRET|PASSWORD", re.IGNORECASE)
    assert not {name for name in names if foreign.search(name)}
