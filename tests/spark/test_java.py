"""Java is looked for with the standard library alone, so that the first thing a user reads is what to install."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synalign.spark import java

ROOT = Path(__file__).parent.parent.parent


def fake_java(folder: Path, version: str) -> None:
    folder.mkdir()
    command = folder / "java"
    command.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2020-01-01' >&2\n")
    command.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "right"), [("1.8.0_392", False), ("11.0.2", False), ("17.0.15", True), ("21", True)]
)
def test_a_java_older_than_17_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, right: bool
) -> None:
    fake_java(tmp_path / "bin", version)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = java.problem()
    assert (found is None) is right
    if found:
        assert "openjdk-17" in found[1]


def test_a_missing_java_names_the_package_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = java.problem()
    assert found is not None
    assert "not installed" in found[0]
    assert "apt-get install openjdk-17" in found[1]


def test_a_wrong_java_home_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = java.problem()
    assert found is not None
    assert "JAVA_HOME" in found[0]


def test_make_says_so_before_it_installs_anything(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "JAVA_HOME": str(tmp_path)}
    result = subprocess.run(
        ["make", "-C", str(ROOT), "java", f"PYTHON={sys.executable}"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode != 0
    assert "openjdk-17" in result.stderr
    assert "pip" not in result.stdout
    assert os.environ.get("JAVA_HOME") != str(tmp_path)
