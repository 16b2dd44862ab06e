"""What the code can say when something is wrong, read from its source: the measure for `docs/operating.md`."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

from synalign import errors
from tests.docs.pages import ROOT

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.SynAlignError)
}
BLANK = "…"


class Raised(NamedTuple):
    """An error that is made somewhere.

    Attributes:
        file: Where, from the root of the repository.
        line: Its line.
        name: Its class.
        message: Its message, with `…` for what is filled in.
    """

    file: str
    line: int
    name: str
    message: str

    @property
    def is_fixed(self) -> bool:
        """Whether the message stands in the code, and is not made elsewhere and only handed on."""
        return sum(character.isalpha() for character in self.message) >= 5


@cache
def raised() -> tuple[Raised, ...]:
    """Every error of ours that the code makes, but for those of the array API's arguments."""
    found = []
    for path, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (name := _name(node.func)) in CLASSES and name != "ArgumentError":
                message = _text(node.args[0]) if node.args else BLANK
                found.append(Raised(str(path.relative_to(ROOT)), node.lineno, name, message))
    return tuple(found)


@cache
def texts() -> frozenset[str]:
    """Every text in the code, with `…` for what is filled in."""
    wanted = (ast.Constant, ast.JoinedStr, ast.BinOp)
    return frozenset(_text(node) for _, tree in _trees() for node in ast.walk(tree) if isinstance(node, wanted))


@cache
def _trees() -> list[tuple[Path, ast.Module]]:
    folders = [ROOT / name for name in ("synalign", "jobs", "dags")]
    paths = sorted(path for folder in folders for path in folder.rglob("*.py"))
    return [(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths]


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _text(node: ast.expr) -> str:
    """A string expression as people see it, with `…` for each part that is not known before it runs."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    return BLANK
