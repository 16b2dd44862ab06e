"""Commands as pages show them, checked without running them: every word has to be one that the program knows."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from functools import cache
from typing import Any

import typer.main

from synalign.cli import application
from tests.docs.pages import ROOT, words

MAKEFILE = (ROOT / "Makefile").read_text()
ELSEWHERE = {
    "refresh": "tests/integration/conftest.py",
    "up": "tests/integration/test_servers.py",
    "down": "tests/integration/test_servers.py",
    "doctor": "tests/cli/test_setup.py",
}
"""Commands of `synalign` that take minutes: the pages' tests only read their arguments, these tests run them."""

_TOOLS = re.compile(r"\.venv/bin/(pytest|ruff|mypy)\b")
_SETUP = re.compile(r"sudo apt-get install|git clone|cd |export ")
_PLAIN = re.compile(r"(cp|sed|ls|cat) ")


def runs(line: str) -> bool:
    """Whether a line of an `sh` block is run by the tests; the others are only checked.

    Raises:
        AssertionError: Nobody would notice if it were wrong.
    """
    if not line.strip() or line.lstrip().startswith("#"):
        return False
    if line.startswith("synalign "):
        return not set(_command(words(line)[1:])[0]) & set(ELSEWHERE)
    if _PLAIN.match(line):
        return True
    if line.startswith("python -m "):
        check_module(line)
        return False
    assert line.startswith("make ") or _TOOLS.match(line) or _SETUP.match(line), f"nothing tests {line!r}"
    return False


def check_synalign(line: str) -> None:
    """Check a call of `synalign`: the command exists and takes these arguments.

    A mention, such as `synalign compare` or `synalign experiment ...`, only has to exist.

    Raises:
        AssertionError: It does not, or they do not fit.
    """
    arguments = words(line)[1:]
    if not arguments:
        return
    names, rest = _command(arguments)
    command = _root()
    for name in names:
        command = command.commands[name]
    if rest:
        parsed(command, names, rest)


def check_make(line: str) -> None:
    """Check a call of `make`: the target exists, and what it starts does too.

    Raises:
        AssertionError: It does not.
    """
    for target in words(line)[1:]:
        if "=" in target:
            assert re.search(rf"\b{target.split('=')[0]}\b", MAKEFILE), f"{line}: the Makefile has no such variable"
            continue
        recipe = re.search(rf"^{re.escape(target)}:.*\n((?:\t.*\n?)*)", MAKEFILE, re.MULTILINE)
        assert recipe, f"{line}: the Makefile has no such target"
        for module in re.findall(r"python -m ([\w.]+)", recipe[1]):
            assert importlib.util.find_spec(module), f"{line}: there is no {module}"
        for call in re.findall(r"synalign (?:refresh|up|down)\b.*", recipe[1]):
            check_synalign(call)


def check_tool(line: str) -> None:
    """Check a call of a tool in `.venv`: paths exist, and `make test` calls the tool too.

    Raises:
        AssertionError: They do not.
    """
    for call in line.split(" && "):
        tool = _TOOLS.match(call)
        assert tool, f"nothing tests {call!r}"
        assert f".venv/bin/{tool[1]}" in MAKEFILE
        for word in words(call):
            assert not word.startswith("tests/") or (ROOT / word).exists(), f"{line}: there is no {word}"


def check_module(line: str) -> None:
    """Check a call of a module: it says itself that it has these options.

    Raises:
        AssertionError: It does not.
    """
    module, *arguments = words(line)[2:]
    done = subprocess.run(
        [sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, f"{line}: {done.stderr}"
    for option in arguments:
        assert not option.startswith("--") or option in done.stdout, f"{line}: there is no {option}"


def parsed(command: Any, names: list[str], rest: list[str]) -> None:
    """Hand a command its arguments, as far as reading them.

    Raises:
        AssertionError: It refuses them.
    """
    if "--help" in rest:
        return
    try:
        command.make_context(" ".join(["synalign", *names]), list(rest))
    except Exception as error:
        raise AssertionError(f"synalign {' '.join([*names, *rest])}: {error}") from error


def _command(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Names of the command and its group, and what is left for it."""
    options = {option for parameter in _root().params for option in parameter.opts} | {"--help"}
    while arguments and arguments[0].startswith("-"):
        assert arguments[0] in options, f"synalign has no option {arguments[0]}"
        arguments = arguments[1:]
    names, command = [], _root()
    while arguments and hasattr(command, "commands"):
        assert arguments[0] in command.commands, f"there is no `synalign {' '.join([*names, arguments[0]])}`"
        command = command.commands[arguments[0]]
        names.append(arguments[0])
        arguments = arguments[1:]
    return names, arguments


@cache
def _root() -> Any:
    return typer.main.get_command(application)
