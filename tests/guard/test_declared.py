"""`make check` finds a package that is imported and not declared, and one that is declared and not imported."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def code(tmp_path: Path) -> Path:
    """A copy of the checkout, as far as imports and declarations go."""
    for name in ("synalign", "dags", "jobs", "docker", "tests", ".ci"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def said(code: Path) -> str:
    done = subprocess.run(
        [sys.executable, code / ".ci" / "declared.py"], capture_output=True, text=True, check=False, cwd="/"
    )
    said = done.stdout + done.stderr
    assert (done.returncode == 0) == (said.count("Success!") == 2), said
    return said


def add(file: Path, line: str) -> None:
    file.write_text(f"{file.read_text(encoding='utf-8')}\n{line}\n", encoding="utf-8")


def test_what_is_imported_and_declared_is_the_same(code: Path) -> None:
    assert "DEP0" not in said(code)


def test_packages_that_come_by_others_and_those_that_nobody_knows_are_found(code: Path) -> None:
    add(code / "synalign" / "masking.py", "import tqdm\nimport nowhere_to_be_found")
    add(code / "synalign" / "text" / "words.py", "import hypothesis")
    found = said(code)
    assert "DEP003 'tqdm'" in found and "DEP001 'nowhere_to_be_found'" in found
    assert "DEP004 'hypothesis' imported but declared as a dev dependency" in found


def test_a_package_that_nobody_imports_is_found(code: Path) -> None:
    setup = code / "setup.cfg"
    text = setup.read_text(encoding="utf-8")
    setup.write_text(text.replace("test =\n", "test =\n    tqdm\n").replace("jobs =\n", "jobs =\n    Mako\n"), "utf-8")
    found = said(code)
    assert "DEP002 'tqdm'" in found and "DEP002 'Mako'" in found
