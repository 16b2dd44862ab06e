"""What an interval takes up of earlier ones: of a run, and of one that is still to come."""

from __future__ import annotations

import logging
from collections.abc import Callable

from synalign.config import Configuration
from synalign.pool.carrying import Carried, sifted, whole_batches, written
from synalign.pool.nights import Night, latest, nights
from synalign.pool.today import Today, as_ingested, of_run
from synalign.run import Run, intervals, manifests, root

log = logging.getLogger("synalign")


def take_up(run: Run) -> Carried:
    """Return what a run takes up; its step *ingest* must be finished.

    Raises:
        RunError: An earlier interval is damaged, or *ingest* is not finished.
    """
    earlier = nights(run)
    old = sum(not night.can_be_carried() for night in earlier)
    if old:
        log.warning("carry: %d intervals were written by an older SynAlign and are not carried", old)
    return _sifted(earlier, lambda documents, shown: of_run(run, documents, shown))


def forecast(configuration: Configuration) -> Carried | None:
    """Return what the retriever's next interval would take up, with these settings.

    Documents are those of the latest interval that was ingested; what the source has by now is not looked at.

    Returns:
        What it would take up; None where an interval has asked the model and none is ingested any more.

    Raises:
        RunError: An earlier interval is damaged.
        StorageError: Storage refuses.
    """
    retriever = root() / configuration.retriever
    earlier = latest(retriever, configuration.pool.nights)
    ingested = [
        folder for folder in intervals(retriever) if manifests.read(folder / "ingest" / manifests.NAME) is not None
    ]
    if not ingested:
        return None
    return _sifted(earlier, lambda documents, shown: as_ingested(configuration, ingested[-1], documents, shown))


def _sifted(earlier: list[Night], read: Callable[[set[str], set[str]], Today]) -> Carried:
    """Sift what earlier intervals wrote; `read` is given the ids of the documents and the queries that matter."""
    rows, batches = written(earlier), whole_batches(earlier)
    shown = {query_id for batch in set(rows["batch_id"].to_pylist()) for query_id in batches.get(batch, [])}
    return sifted(rows, earlier, batches, read(set(rows["document_id"].to_pylist()), shown))
