"""SynAlign from its wheel alone: a DAG file of one line has every retriever's DAG, whose jobs are in the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from synalign import flow

ROOT = Path(__file__).parent.parent.parent
YAML = "retriever: {name}\nschedule: {{start: 2026-01-01}}\nsource: {{kind: beir, path: x}}\n"
ONE_LINE = "from synalign.dags import refresh_dags; refresh_dags()  # for airflow\n"
TRAINING = "training: {trigger: training_set}\n"
BUILD = "import setuptools.build_meta as build; print('WHEEL' + build.build_wheel({out!r}))"
LOAD = """
import json, synalign
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({folder!r})

def command(task):
    return getattr(task, "bash_command", None) or task.application

print("RESULT" + json.dumps({{
    "code": synalign.__file__,
    "dags": {{name: dag.fileloc for name, dag in bag.dags.items()}},
    "errors": {{str(path): text for path, text in bag.import_errors.items()}},
    "commands": {{one.task_id: command(one) for one in bag.dags["refresh__shop"].tasks
                  if hasattr(one, "bash_command") or hasattr(one, "application")}},
}}))
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with SynAlign's wheel; all other packages are those of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "synalign", source / "synalign", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    built = subprocess.run(
        [sys.executable, "-c", BUILD.format(out=str(folder))], cwd=source, capture_output=True, text=True, check=True
    )
    wheel = folder / built.stdout.rsplit("WHEEL", 1)[1].strip()
    venv.create(folder / "env", with_pip=False, symlinks=True)
    site = next((folder / "env" / "lib").glob("python*/site-packages"))
    others = [path for path in sys.path if path.endswith("site-packages")]
    # Of a folder named in such a file, Python reads no such files: this checkout stays out of sight.
    (site / "others.pth").write_text("\n".join(others) + "\n")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    return folder / "env" / "bin" / "python"


def environment(folder: Path) -> dict[str, str]:
    """Airflow's, with a DAGs folder and nothing of this checkout."""
    return {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "SYNALIGN_RETRIEVERS")},
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(folder / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "PYTHONWARNINGS": "ignore",
    }


@pytest.fixture(scope="module")
def loaded(python: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("installed")
    (folder / "dags" / "retrievers").mkdir(parents=True)
    (folder / "dags" / "retrievers" / "shop.yaml").write_text(YAML.format(name="shop"))
    (folder / "dags" / "retrievers" / "toys.yaml").write_text(YAML.format(name="toys") + TRAINING)
    (folder / "dags" / "retrievers" / "wrong.yaml").write_text(YAML.format(name="wrong") + "extra: 1\n")
    for name in ("refresh", "train", "experiment"):
        (folder / "dags" / f"{name}.py").write_text(ONE_LINE.replace("refresh", name))
    (folder / "dags" / "errors.py").write_text(ONE_LINE.replace("refresh_dags", "check_configurations"))
    done = subprocess.run(
        [str(python), "-c", LOAD.format(folder=str(folder / "dags"))], env=environment(folder), cwd=folder,
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.rsplit("RESULT", 1)[1])
    return found


def test_the_code_is_that_of_the_wheel(loaded: dict[str, Any], python: Path) -> None:
    assert Path(loaded["code"]).is_relative_to(python.parent.parent)


def test_one_line_has_the_dags_of_every_retriever(loaded: dict[str, Any]) -> None:
    assert {name: Path(file).name for name, file in loaded["dags"].items()} == {
        "refresh__shop": "refresh.py", "refresh__toys": "refresh.py", "train__toys": "train.py",
    }  # fmt: skip


def test_a_retriever_that_is_wrong_is_an_import_error_of_the_file_that_checks(loaded: dict[str, Any]) -> None:
    (file,) = loaded["errors"]
    assert Path(file).name == "errors.py"
    assert "wrong.yaml: extra == 1, is not a known setting" in loaded["errors"][file]


def test_every_task_starts_the_application_in_the_package(loaded: dict[str, Any]) -> None:
    application = str(Path(loaded["code"]).parent / "jobs" / "application.py")
    for step in flow.STEPS:
        words = loaded["commands"][step.name]
        if step.engine == "spark":
            assert words == application
        else:
            assert f" {application} {step.job} --config " in words


@pytest.mark.airflow
def test_a_job_of_the_package_runs_there(python: Path, loaded: dict[str, Any], tmp_path: Path) -> None:
    application = Path(loaded["code"]).parent / "jobs" / "application.py"
    words = ["align", "--config", str(tmp_path / "no.yaml"), "--start", "2026-02-28", "--end", "2026-03-01"]
    done = subprocess.run(
        [str(python), str(application), *words], env=environment(tmp_path), cwd=tmp_path, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no.yaml: cannot be read: there is no such file" in done.stderr
