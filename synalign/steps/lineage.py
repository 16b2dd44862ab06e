"""OpenLineage: what each step reads and writes, with its digests, told to whatever OpenLineage's own variables name.

Nothing is sent, and nothing imported, where no transport is configured. The client is the extra `lineage`. A catalogue
that cannot be reached costs a warning, never a step.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from synalign import __version__, flow, masking
from synalign.errors import SynAlignError
from synalign.run import Run, manifests
from synalign.storage import Place

log = logging.getLogger(__name__)

NAMESPACE = "OPENLINEAGE_NAMESPACE"
PRODUCER = f"urn:synalign:{__version__}"
MOST_FILES = 50
"""Files from outside the run that are datasets of their own; more are one, with a digest of their digests."""


def configured() -> bool:
    """Return whether OpenLineage's variables name a transport; without one its client would print every event."""
    if os.environ.get("OPENLINEAGE_DISABLED", "").strip().lower() == "true":
        return False
    return any(
        name in ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG") or name.startswith("OPENLINEAGE__TRANSPORT")
        for name, value in os.environ.items()
        if value
    )


class Told:
    """What is told of one try at a step.

    Args:
        run: The run.
        step: Name of the step.

    Attributes:
        outside: What it reads from outside the run, name to SHA-256.
    """

    def __init__(self, run: Run, step: str) -> None:
        from openlineage.client import OpenLineageClient
        from openlineage.client.uuid import generate_new_uuid

        self._client = OpenLineageClient()
        self._id = str(generate_new_uuid())
        self._run, self._step = run, flow.step(step)
        self.outside: Mapping[str, str] = {}

    def start(self) -> None:
        """Tell that the step has begun, and what it reads."""
        self._emit("START")

    def complete(self) -> None:
        """Tell that it is done, or reused, and what is there now."""
        manifest = self._run.manifest(self._step.name) or {}
        self._emit("COMPLETE", outputs=manifest.get("tables", {}))

    def abort(self) -> None:
        """Tell that it waits for a provider: another try goes on."""
        self._emit("ABORT")

    def fail(self, error: BaseException) -> None:
        """Tell that it has failed, in the words that Airflow shows, too."""
        message = f"{type(error).__name__}: {error}" if isinstance(error, SynAlignError) else type(error).__name__
        self._emit("FAIL", message=masking.mask(message))

    def _emit(self, state: str, outputs: Mapping[str, Any] | None = None, message: str = "") -> None:
        from openlineage.client import event_v2, facet_v2

        interval = self._run.interval
        facets: dict[str, Any] = {
            "nominalTime": facet_v2.nominal_time_run.NominalTimeRunFacet(
                interval.start.isoformat(), interval.end.isoformat()
            )
        }
        if message:
            facets["errorMessage"] = facet_v2.error_message_run.ErrorMessageRunFacet(message, "python")
        name = f"{self._run.configuration.retriever}.{self._step.name}"
        about = facet_v2.documentation_job.DocumentationJobFacet(self._step.purpose)
        self._client.emit(
            event_v2.RunEvent(
                eventType=event_v2.RunState[state],
                eventTime=datetime.now(UTC).isoformat(),
                run=event_v2.Run(self._id, facets),
                job=event_v2.Job(os.environ.get(NAMESPACE) or "synalign", name, {"documentation": about}),
                inputs=list(self._inputs()),
                outputs=[self._output(table, content) for table, content in (outputs or {}).items()],
                producer=PRODUCER,
            )
        )

    def _inputs(self) -> Iterator[Any]:
        from openlineage.client import event_v2

        for table in self._step.reads:
            writer = flow.writer(table).name
            manifest = self._run.manifest(writer)
            if manifest is not None and table in manifest["tables"]:
                namespace, name = self._dataset(table)
                facets = self._facets(table, writer, manifest["tables"][table]["digest"])
                yield event_v2.InputDataset(namespace, name, facets=facets)
        for name, digest in _few(self.outside).items():
            parts = urlsplit(name)
            namespace = (
                f"{parts.scheme}://{parts.netloc}" if parts.netloc else "file" if name[:1] == "/" else "synalign"
            )
            own = parts.path.lstrip("/") if parts.netloc else name
            own = own if namespace != "synalign" else f"{self._run.configuration.retriever}/{own}"
            # A prompt, or the list of forgotten queries: no place of its own, but the retriever's.
            yield event_v2.InputDataset(namespace, own, facets={"version": _version(digest)})

    def _output(self, table: str, content: Mapping[str, Any]) -> Any:
        from openlineage.client import event_v2, facet_v2

        namespace, name = self._dataset(table)
        sizes = [entry["bytes"] for entry in content["files"].values()]
        written = facet_v2.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
            rowCount=content["rows"], size=sum(sizes), fileCount=len(sizes)
        )
        facets = self._facets(table, self._step.name, content["digest"])
        return event_v2.OutputDataset(namespace, name, facets=facets, outputFacets={"outputStatistics": written})

    def _facets(self, table: str, step: str, digest: str) -> dict[str, Any]:
        """Return the facets of one table of this run: its digest is its version, and its folder the data source."""
        from openlineage.client import facet_v2

        place = manifests.folder(self._run.folder / step, self._run.manifest(step) or {}) / table
        uri = f"file://{place}" if place.local is not None else str(place)
        return {
            "version": _version(digest),
            "dataSource": facet_v2.datasource_dataset.DatasourceDatasetFacet(table, uri),
        }

    def _dataset(self, table: str) -> tuple[str, str]:
        """Return namespace and name of a table, the same in every interval: each run makes a version of it."""
        retriever = self._run.folder.parent
        return _named(retriever / table)


class Step:
    """A step that is being done.

    Attributes:
        outside: What it reads from outside the run, name to SHA-256.
        summary: What came of it, once it is there.
    """

    def __init__(self, outside: Mapping[str, str]) -> None:
        self.outside = dict(outside)
        self.summary: dict[str, Any] = {}


@contextmanager
def told(run: Run, name: str, outside: Callable[[], dict[str, str]]) -> Iterator[Step]:
    """Tell OpenLineage of a step while the block does it; nothing where it is not configured.

    Args:
        run: The run.
        name: Name of the step.
        outside: Gives what the step reads from outside the run.
    """
    events = _events(run, name)
    try:
        step = Step(outside())
        if events is not None:
            events.outside = step.outside
            _quietly(events.start)
        yield step
    except BaseException as error:
        if events is not None:
            _quietly(partial(events.fail, error))
        raise
    if events is not None:
        _quietly(events.abort if "waiting" in step.summary else events.complete)


def _events(run: Run, step: str) -> Told | None:
    if not configured():
        return None
    if find_spec("openlineage") is None:
        log.warning("OpenLineage is configured, and its client is not installed: pip install 'synalign[lineage]'")
        return None
    try:
        return Told(run, step)
    except Exception as error:
        log.warning("OpenLineage cannot be used: %s", masking.mask(str(error)))
        return None


def _quietly(tell: Callable[[], None]) -> None:
    """Tell something; a catalogue that is away must not end a step."""
    try:
        tell()
    except Exception as error:
        log.warning("OpenLineage was not told: %s: %s", type(error).__name__, masking.mask(str(error)))


def _version(digest: str) -> Any:
    from openlineage.client import facet_v2

    return facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet(digest)


def _named(place: Place) -> tuple[str, str]:
    """Return namespace and name of a place, as OpenLineage's naming has them for files and buckets."""
    if place.local is not None:
        return "file", str(place.local)
    parts = urlsplit(str(place))
    return f"{parts.scheme}://{parts.netloc}", parts.path.lstrip("/")


def _few(outside: Mapping[str, str]) -> Mapping[str, str]:
    """Return what is read from outside, as one where there are many files."""
    if len(outside) <= MOST_FILES:
        return outside
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(outside.items()))
    folders = {name.rpartition("/")[0] for name in outside}
    return {min(folders, key=len) or "files": hashlib.sha256(listing.encode()).hexdigest()}
