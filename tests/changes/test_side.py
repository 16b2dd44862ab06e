"""The sets that are compared."""

from collections.abc import Callable

import pytest

from synalign import changes
from synalign.config import Configuration
from synalign.errors import RunError
from synalign.run import Run
from tests.changes.sets import FIRST, NAMES

Make = Callable[..., Configuration]


def test_a_run_without_a_training_set_is_an_error_that_says_what_to_do(configuration: Make) -> None:
    run = Run(configuration(), FIRST)
    run.keep_configuration()
    with pytest.raises(RunError, match=r"has no training set yet(.|\n)*synalign show shop/2026"):
        changes.side(NAMES[0])
