"""Every error a user can meet, each with what happened, the likely cause and the next step.

All of them derive from `SynAlignError`; a command that meets one prints `str(error)` without a traceback
and ends with its `exit_code`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

from synalign.masking import mask

_MOST_LISTED = 8


class SynAlignError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: What is wrong: the name, the value and the rule it breaks.
        cause: The likely cause, if the message does not say it.
        remedy: What to do next.
    """

    exit_code = 1

    def __init__(self, message: str, *, cause: str = "", remedy: str = "") -> None:
        # What a server or a library said may quote the key it was shown.
        self.message, self.cause, self.remedy = mask(message), mask(cause), mask(remedy)
        super().__init__(self.message)

    def __str__(self) -> str:
        lines = [self.message]
        if self.cause:
            lines.append(f"Likely cause: {self.cause}")
        if self.remedy:
            lines.append(f"What to do: {self.remedy}")
        return "\n".join(lines)


class ArgumentError(SynAlignError, ValueError):
    """A function of the array API was called with a value it cannot accept.

    Args:
        name: Name of the argument.
        value: What was passed, or the part of it that is wrong.
        rule: The rule it breaks, e.g. `must be >= 1`.
        remedy: What to do next.
    """

    exit_code = 2

    def __init__(self, name: str, value: Any, rule: str, *, remedy: str = "") -> None:
        super().__init__(f"{name} == {value!r}, {rule}.", remedy=remedy)
        self.name = name
        self.value = value
        self.rule = rule


class ConfigurationError(SynAlignError):
    """A retriever's configuration is missing, malformed or out of bounds. Never worth a retry."""

    exit_code = 2


class InputError(SynAlignError):
    """The query log or the documents cannot be used."""

    exit_code = 3


class RunError(SynAlignError):
    """A run folder is not in the state that a step needs: missing, stale or damaged tables."""

    exit_code = 4


class BusyError(SynAlignError):
    """Another process is working on the same interval of the same retriever."""

    exit_code = 5


class GenerationError(SynAlignError):
    """The model endpoint cannot be used, or its answers cannot."""

    exit_code = 6


class EndpointError(GenerationError, ConfigurationError):
    """The endpoint, the model and the settings of `generation` do not go together. Never worth a retry.

    Its exit code is that of a wrong configuration: the next try would end the same way, and may cost again.
    """

    exit_code = ConfigurationError.exit_code


class RegistryError(SynAlignError):
    """MLflow cannot be reached, or holds something that contradicts the run."""

    exit_code = 7


class SetupError(SynAlignError):
    """Something this machine lacks: Java, the encoder's weights, a package."""

    exit_code = 8


class StorageError(SynAlignError):
    """A disk that is full, or storage that cannot be reached: what was written before is kept."""

    exit_code = 9


class ExitCode(NamedTuple):
    """What an exit code means, and whether Airflow tries a task again that ended with it.

    Attributes:
        kind: The class of error.
        about: What is wrong, in a clause.
        tries: How often it is tried again.
        minutes: Wait before the first of these tries; each later wait is twice as long.
        because: Why it is tried again, or not.
    """

    kind: type[SynAlignError]
    about: str
    tries: int
    minutes: int
    because: str

    @property
    def code(self) -> int:
        """The exit code itself."""
        return self.kind.exit_code


EXIT_CODES = (
    ExitCode(ConfigurationError, "the YAML file is wrong, or what the trigger form changed",
             0, 0, "the configuration is wrong, and would be the next time"),
    ExitCode(InputError, "the log or the documents cannot be used",
             0, 0, "the log or the documents cannot be used as they are"),
    ExitCode(RunError, "a step before is missing, or was made with other settings",
             0, 0, "the run's folder is not in the state that this step needs"),
    ExitCode(BusyError, "another process works on the same interval",
             4, 2, "another process works on this interval"),
    ExitCode(GenerationError, "the model's endpoint, or its answers, cannot be used",
             4, 5, "the model endpoint may recover"),
    ExitCode(RegistryError, "MLflow cannot be reached, or refuses",
             4, 1, "MLflow may come back"),
    ExitCode(SetupError, "the machine lacks Java, the encoder or a package",
             0, 0, "the machine lacks something"),
    ExitCode(StorageError, "a disk is full, or storage cannot be reached",
             4, 2, "the disk may be emptied, storage may come back"),
)  # fmt: skip
"""Every exit code that says what went wrong: retries, the pages of tasks and the documentation go by this table."""

OTHERWISE = ExitCode(SynAlignError, "the job was killed, or has a mistake", 3, 1, "it may have been the machine")
"""For all that says nothing: a job that was killed, a worker that was lost, a mistake in the code. More than once: in a
bad night one job may lose its driver and then its executors."""


def meant(name: str, known: Sequence[str]) -> str:
    """Begin a remedy for an unknown name with the known one that is nearest; empty where none is near.

    Examples:
        >>> meant("shpo", ["shop", "blog"]), meant("x", ["shop"])
        ("did you mean 'shop'? ", '')
    """
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {near[0]!r}? " if near else ""


def listed(names: Sequence[str]) -> str:
    """Return names for a remedy that says what there is; a long list is cut.

    Examples:
        >>> listed(["1", "2"]), listed([str(number) for number in range(10)])
        ('1, 2', '0, 1, 2, 3, 4, 5, 6, 7 and 2 more')
    """
    rest = len(names) - _MOST_LISTED
    return ", ".join(names[:_MOST_LISTED]) + (f" and {rest} more" if rest > 0 else "")
