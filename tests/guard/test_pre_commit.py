"""The hook for git: it runs `make check` on the folder, says so, and no commit is made where that fails."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# What `make check` would see is written down; it fails where the file `broken` is there.
MAKEFILE = """
check:
	@echo "checked in $(CURDIR)" && env | grep ^GIT_ || true
	@test ! -e broken
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    names = {"NAME": "somebody", "EMAIL": "somebody@example.com"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {f"GIT_{role}_{name}": value for role in ("AUTHOR", "COMMITTER") for name, value in names.items()}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(params=["core.hooksPath", "link"])
def checkout(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository with one commit and the hook, set up in either way that the hook names."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "pre-commit", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "synalign").mkdir()
    (tmp_path / "synalign" / "a.py").write_text("one = 1\n")
    for command in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "first")):
        assert run(tmp_path, "git", *command).returncode == 0
    lines = (ROOT / ".ci" / "pre-commit").read_text().splitlines()
    words = "git config" if request.param == "core.hooksPath" else "ln -s"
    [line] = [line.removeprefix("#").strip() for line in lines if line.startswith(f"#   {words}")]
    assert run(tmp_path, "bash", "-c", line).returncode == 0
    return tmp_path


def commits(folder: Path) -> int:
    return int(run(folder, "git", "rev-list", "--count", "HEAD").stdout)


def test_a_commit_is_checked_from_any_folder_in_a_clean_environment(checkout: Path) -> None:
    (checkout / "synalign" / "a.py").write_text("one = 2\n")
    done = run(checkout / "synalign", "git", "commit", "-am", "second")
    assert (done.returncode, commits(checkout)) == (0, 2), done.stderr
    said = done.stdout + done.stderr
    assert f"checked in {checkout}" in said
    assert "GIT_INDEX_FILE" not in said and "GIT_DIR" not in said
    assert "sees more" not in said


def test_nothing_is_committed_where_the_check_fails(checkout: Path) -> None:
    (checkout / "broken").touch()
    run(checkout, "git", "add", "broken")
    done = run(checkout, "git", "commit", "-m", "second")
    assert done.returncode != 0
    assert commits(checkout) == 1


def test_it_says_which_files_are_seen_and_not_committed(checkout: Path) -> None:
    (checkout / "synalign" / "a.py").write_text("one = 2\n")
    run(checkout, "git", "add", "synalign")
    (checkout / "synalign" / "a.py").write_text("one = 3\n")
    (checkout / "new.py").touch()
    done = run(checkout, "git", "commit", "-m", "second")
    assert (done.returncode, commits(checkout)) == (0, 2)
    said = done.stdout + done.stderr
    assert "make check reads the files of the folder" in said
    assert "  synalign/a.py\n  new.py\n" in said
