"""Whether this machine has the Java that Spark needs. Standard library only: it runs before anything is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = 17
_REMEDY = (
    f"install Java {OLDEST}: on Debian or Ubuntu `apt-get install openjdk-{OLDEST}-jre-headless`, on Fedora "
    f"`dnf install java-{OLDEST}-openjdk-headless`, on macOS `brew install openjdk@{OLDEST}`; "
    "if it is installed, set JAVA_HOME"
)


def problem() -> tuple[str, str] | None:
    """Return what is wrong with Java and what to do about it; None where Spark can run."""
    home = os.environ.get("JAVA_HOME")
    command = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    if command is None or (home and not Path(command).is_file()):
        where = f"JAVA_HOME == {home!r}, has no bin/java" if home else "Java is not installed"
        return f"{where}; Spark needs Java {OLDEST} or newer.", _REMEDY
    try:
        output = subprocess.run([command, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError as error:
        return f"{command} cannot be run: {error}.", _REMEDY
    match = re.search(r'version "(\d+)(?:\.(\d+))?', output.stderr + output.stdout)
    # Until Java 8 the first number was 1.
    found = int(match[2] or 0) if match and match[1] == "1" else int(match[1]) if match else 0
    if found < OLDEST:
        return f"{command} is Java {found or 'of unknown version'}; Spark needs Java {OLDEST} or newer.", _REMEDY
    return None


if __name__ == "__main__":
    found_problem = problem()
    if found_problem is not None:
        sys.stderr.write("\n".join(found_problem) + "\n")
        sys.exit(8)
