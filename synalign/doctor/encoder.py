"""The encoder: its files, its checksum, and one text."""

from __future__ import annotations

import numpy as np

from synalign.doctor.finding import Case
from synalign.errors import SetupError


def encoder(case: Case) -> str:
    """Check that the encoder's weights are there and unaltered, and that a text gets a vector of length 1.

    Raises:
        SetupError: The model is missing or altered, or does not work.
    """
    from synalign.embedding import encoder as encoders

    settings = case.configuration.encoder
    digest = encoders.revision(settings.model)
    vector = encoders.encode(["how to descale a kettle"], settings)[0]
    length = float(np.linalg.norm(vector))
    if not abs(length - 1.0) < 1e-3:
        raise SetupError(
            f"encoder.model == {settings.model!r}, gives a vector of length {length:.3g}, must be 1.",
            cause="weights that are damaged, or no sentence encoder",
            remedy="save the model again with SentenceTransformer.save_pretrained",
        )
    checked = "the published one" if settings.model == encoders.EMBEDDED_MODEL else "pinned by every run"
    precision = encoders.plan(settings).precision
    return f"{settings.model} gives {len(vector)} dimensions in {precision}; SHA-256 {digest[:12]}..., {checked}"
