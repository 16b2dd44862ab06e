"""MLflow: the only package that talks to it. One noun per file; `connection` is what they share."""

from synalign.registry.training_sets import ALIAS, Registration, Release, register

__all__ = ["ALIAS", "Registration", "Release", "register"]
