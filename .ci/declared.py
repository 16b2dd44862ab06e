"""Check that what is imported is declared in setup.cfg, and what is declared is imported.

That is deptry's, which does not read setup.cfg itself: once for the package, once for its tests.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CODE = ("synalign", "dags", "jobs", "docker")
OF_TESTS = ("test", "bench")


def run() -> int:
    """Run deptry twice; return its exit code."""
    declared = configparser.ConfigParser()
    declared.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = dict(declared["options.extras_require"])
    tests = [extras.pop(name) for name in OF_TESTS]
    with tempfile.TemporaryDirectory() as folder:
        code_file, tests_file = Path(folder, "code.txt"), Path(folder, "tests.txt")
        code_file.write_text("\n".join([declared["options"]["install_requires"], *extras.values()]), encoding="utf-8")
        tests_file.write_text("\n".join(tests), encoding="utf-8")
        deptry = [str(Path(sys.executable).with_name("deptry")), "--no-ansi"]
        code = [*deptry, *CODE, "--requirements-files", str(code_file), "--requirements-files-dev", str(tests_file)]
        # What only tests declare is used by them; what the package declares is there for both.
        both = [*deptry, *CODE, "tests", "--exclude", r"\.venv", "--requirements-files", f"{code_file},{tests_file}"]
        return max(subprocess.run(command, cwd=ROOT, check=False).returncode for command in (code, both))


if __name__ == "__main__":
    sys.exit(run())
