"""Personal data in users' text: found by kind, and replaced by placeholders such as `[EMAIL]`."""

from synalign.privacy.personal import PLACEHOLDERS, Redaction, found, redact, redaction

__all__ = ["PLACEHOLDERS", "Redaction", "found", "redact", "redaction"]
