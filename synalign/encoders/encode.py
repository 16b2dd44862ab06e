"""The one door to vectors: the encoder on this machine, or the server that a configuration names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synalign.embedding import encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from synalign.config import Configuration
    from synalign.embedding.prompts import Side


def encode(
    texts: Sequence[str],
    configuration: Configuration,
    advance: Callable[[int], None] | None = None,
    *,
    side: Side = "query",
) -> NDArray[np.float32]:
    """Embed texts as the step *embed* does, each with the prompt of its side.

    Args:
        texts: n texts.
        configuration: Its `encoder` says by what, its `runtime` how an endpoint is asked.
        advance: Called with how many more are done.
        side: Queries or documents.

    Returns:
        (n, d) float32, unit rows.

    Raises:
        SetupError: The encoder or a GPU is missing.
        ConfigurationError: The key of an endpoint is missing.
        GenerationError: The endpoint cannot be used.
    """
    settings = configuration.encoder
    if settings.endpoint is None:
        return encoder.encode(list(texts), settings, advance, side=side)
    # Its client takes a second to import.
    from synalign.encoders.server import Server

    with Server(configuration) as server:
        return server.encode(texts, advance, side=side)
