"""A preview from beginning to end: a sample, its batches, the requests, the verdicts."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from synalign.config import Configuration
from synalign.errors import ArgumentError, GenerationError
from synalign.generation import outcomes
from synalign.generation.attributes import attributes_of
from synalign.generation.demonstration_batches import Batch, read_batches
from synalign.generation.endings import counts, nothing_answered
from synalign.generation.results import answers, ends
from synalign.generation.schemas import Attribute as Found
from synalign.generation.writing import asked_for
from synalign.preview import tables as samples
from synalign.preview.asking import Answered, ask
from synalign.preview.findings import ACCEPTED, Attribute, Preview, Shown
from synalign.preview.judging import Judged, judge, title_of
from synalign.preview.rate import rate_of
from synalign.preview.reading import read
from synalign.preview.sample_run import sample_run, settings_of
from synalign.preview.warnings import warnings_of
from synalign.prompts.families import family
from synalign.run import Interval
from synalign.run.previews import journal_of
from synalign.text.forms import MEASURED
from synalign.text.normal import normalise

MOST_BATCHES = 20
"""Most batches of a preview: more is what a refresh is for."""


def preview(
    file: Path,
    configuration: Configuration,
    interval: Interval,
    batches: int = 2,
    on_progress: Callable[[str], None] = lambda doing: None,
) -> Preview:
    """Ask the model for the queries of a few batches, and judge them.

    Args:
        file: The retriever's YAML file.
        configuration: What it says.
        interval: The data interval, whose window is read where no interval is ingested.
        batches: How many batches.
        on_progress: Called with what is being done.

    Raises:
        ArgumentError: There are too many batches, or none.
        ConfigurationError: The endpoint needs a key that the environment does not hold.
        GenerationError: The endpoint cannot be used.
        InputError: The data cannot be used.
        SetupError: Spark, the encoder or a local model is missing.
    """
    if not 1 <= batches <= MOST_BATCHES:
        raise ArgumentError("batches", batches, f"must be from 1 to {MOST_BATCHES}")
    with tempfile.TemporaryDirectory(prefix="synalign-preview-") as folder:
        on_progress("reading a sample")
        tables = samples.latest(configuration) or read(file, interval, Path(folder))
        on_progress("embedding the sample")
        tables = samples.embedded(tables, configuration)
        run = sample_run(settings_of(configuration, batches), interval, tables, Path(folder) / "runs")
        # For classification each label has a batch, however few are asked for.
        drawn = read_batches(run)[:batches]
        on_progress(f"asking {configuration.generation.model} for the queries of {len(drawn)} batches")
        answered = ask(drawn, run.configuration, [tables.journal] if tables.journal else [])
        on_progress("judging what came back")
        judged = judge(answered.results, run)
    accepted = sum(query.verdict == ACCEPTED for part in judged.queries for query in part)
    return Preview(
        retriever=configuration.retriever,
        model=_model(answered, configuration),
        endpoint=configuration.generation.endpoint,
        family=family(configuration).name,
        form=answered.form,
        sample=tables.said,
        documents=len(tables.documents),
        whole=tables.whole,
        batches=_shown(drawn, answered, judged, run.configuration),
        rate=rate_of(answered.results, accepted, configuration, tables),
        warnings=warnings_of(drawn, judged.queries, judged.lost, judged.tried),
        journal=str(journal_of(configuration.retriever)),
    )


def problem(found: Preview) -> GenerationError | None:
    """Return the error of a preview to which no request for queries was answered; None where one was."""
    every = [asked for batch in found.batches for asked in batch.requests]
    if any(asked.kind == "write" and asked.outcome == outcomes.OK for asked in every):
        return None
    bad = [asked for asked in every if asked.outcome != outcomes.OK]
    ended = Counter(asked.outcome for asked in bad)
    outcome = ended.most_common(1)[0][0] if ended else outcomes.NOT_SENT
    detail = next((asked.detail for asked in bad if asked.outcome == outcome and asked.detail), "")
    return nothing_answered(outcome, counts(ended), detail)


def _model(answered: Answered, configuration: Configuration) -> str:
    """Return the name of the model as it reported it, or as it is configured; a file of this machine is no name."""
    named = (answer.model for result in answered.results for _, answer in answers(result) if answer.content is not None)
    reported = next(named, "/")
    return configuration.generation.model if reported.startswith("/") else reported


def _shown(batches: list[Batch], answered: Answered, judged: Judged, configuration: Configuration) -> tuple[Shown, ...]:
    return tuple(
        Shown(
            demonstrations=batch.demonstrations,
            shots=tuple((shot.query, title_of(shot.document)) for shot in batch.shots),
            attributes=tuple(map(_attribute, attributes_of(batch, result.reason.content).attributes)),
            requests=requests,
            queries=queries,
            asked_for=sum(asked_for(end.batch, configuration) for end in ends([result])),
        )
        for batch, result, requests, queries in zip(
            batches, answered.results, answered.requests, judged.queries, strict=True
        )
    )


def _attribute(found: Found) -> Attribute:
    seen, generalised = (tuple(map(normalise, values)) for values in (found.values_seen, found.values_generalised))
    return Attribute(normalise(found.name), seen, generalised, normalise(found.name).casefold() in MEASURED)
