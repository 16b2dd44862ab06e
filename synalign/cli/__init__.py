"""The command `synalign`: `application` puts the commands together, every other module holds some of them."""

from synalign.processes.interruption import interruptible

# Loading takes a second or two, in which somebody may change their mind.
with interruptible():
    from synalign.cli.application import application, main

__all__ = ["application", "main"]
