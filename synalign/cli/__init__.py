"""The command `synalign`: `application` puts the commands together, every other module holds some of them."""

from synalign.cli.application import application, main

__all__ = ["application", "main"]
