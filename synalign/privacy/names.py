"""Names of people in a text, where a recogniser is installed.

`pip install presidio-analyzer` and a spaCy model, such as `en_core_web_sm`, make one. Neither comes with SynAlign: the
models are large, each knows one language, and in search queries they take film titles and brands for people.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Iterable
from functools import cache

log = logging.getLogger("synalign")

Recogniser = Callable[[str], Iterable[tuple[int, int]]]

# Longer texts are read in pieces: memory of the model grows with the piece.
_PIECE = 100_000
_LEAST_SCORE = 0.6


def names(text: str) -> list[tuple[int, int]]:
    """Return where names of people stand in a text, each longer than one letter; none without a recogniser.

    Placeholders such as `[EMAIL]` are no names. Whether there is a recogniser is looked up, and logged, once.
    """
    recognise = recogniser()
    if recognise is None:
        return []
    spans: list[tuple[int, int]] = []
    for offset in range(0, len(text), _PIECE):
        piece = text[offset : offset + _PIECE]
        for start, stop in sorted(recognise(piece)):
            free = offset + start >= (spans[-1][1] if spans else 0)
            if free and stop - start > 1 and not set("[]") & set(piece[max(0, start - 1) : stop + 1]):
                spans.append((offset + start, offset + stop))
    return spans


@cache
def recogniser() -> Recogniser | None:
    """Return presidio's analyser over the first installed spaCy model, None where either is missing."""
    model = _model()
    if model is None:
        log.info(
            "names of people are not redacted: no recogniser is installed (presidio-analyzer and a spaCy model); "
            "take `name` out of generation.redact if that is meant"
        )
        return None
    language = model[:2]
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    settings = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    engine = NlpEngineProvider(nlp_configuration=settings).create_engine()
    analyser = AnalyzerEngine(nlp_engine=engine, supported_languages=[language])
    log.info("names of people are redacted by presidio with the spaCy model %s", model)

    def recognise(text: str) -> list[tuple[int, int]]:
        hits = analyser.analyze(text, language=language, entities=["PERSON"], score_threshold=_LEAST_SCORE)
        return [(hit.start, hit.end) for hit in hits]

    return recognise


def _model() -> str | None:
    """Return the first installed spaCy model by name, English first; None without presidio or a model."""
    if importlib.util.find_spec("presidio_analyzer") is None or importlib.util.find_spec("spacy") is None:
        return None
    from spacy.util import get_installed_models

    models = sorted(get_installed_models(), key=lambda name: (not name.startswith("en_"), name))
    return models[0] if models else None
