"""MLflow: the only package that talks to it. One noun per file; `connection` is what they share."""

from synalign.registry.attachment import attach
from synalign.registry.release import Release
from synalign.registry.training_sets import ALIAS, Registration, register

__all__ = ["ALIAS", "Registration", "Release", "attach", "register"]
