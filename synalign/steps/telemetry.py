"""OpenTelemetry: seconds, rows, requests, tokens and money of each step, sent to the collector that its variables name.

Nothing is sent, and nothing imported, where no collector is named. The SDK is the extra `telemetry`. A job is a short
process, so it sends once, when its step has ended; a collector that is away costs a warning, never a step.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, NamedTuple

from synalign import masking
from synalign.run import Run

log = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
_PARTS = ("opentelemetry.sdk.metrics", "opentelemetry.exporter.otlp.proto.http.metric_exporter")
_LONGEST_SEND = 10.0


class Count(NamedTuple):
    """Something that a step has counted.

    Attributes:
        name: Of the metric.
        unit: As UCUM has it.
        value: How many.
        attributes: What tells it from others of its name.
    """

    name: str
    unit: str
    value: float
    attributes: Mapping[str, str]


class Measured:
    """A step that is being done.

    Attributes:
        summary: What came of it, once it is there.
    """

    def __init__(self) -> None:
        self.summary: dict[str, Any] = {}

    @property
    def state(self) -> str:
        """How it has ended."""
        return "waiting" if "waiting" in self.summary else "reused" if self.summary.get("reused") else "done"


def configured() -> bool:
    """Return whether OpenTelemetry's variables name a collector."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    off = off or os.environ.get("OTEL_METRICS_EXPORTER", "otlp").strip().lower() == "none"
    return not off and any(os.environ.get(name, "").strip() for name in ENDPOINTS)


@contextmanager
def measured(run: Run, step: str) -> Iterator[Measured]:
    """Measure a step while the block does it, and send what was measured; nothing where it is not configured."""
    found, began, state = Measured(), time.monotonic(), "failed"
    try:
        yield found
        state = found.state
    finally:
        if configured():
            _send_quietly(run, step, state, time.monotonic() - began)


def counts(manifest: Mapping[str, Any]) -> list[Count]:
    """Return what a finished step has counted, as its manifest has it.

    Args:
        manifest: Of the step.
    """
    found = [Count("synalign.rows", "{row}", content["rows"], {"table": table})
             for table, content in manifest["tables"].items()]  # fmt: skip
    metrics = manifest["metrics"]
    for whom, spent in (("model", metrics), ("judge", metrics.get("judge"))):
        if isinstance(spent, Mapping):
            found += _spent(spent, {"asked": whom})
    return found


def _spent(spent: Mapping[str, Any], asked: dict[str, str]) -> Iterator[Count]:
    """Yield what requests to a server have cost."""
    outcomes = spent.get("outcomes") or ({"any": spent["requests"]} if "requests" in spent else {})
    for outcome, number in outcomes.items():
        yield Count("synalign.requests", "{request}", number, {**asked, "outcome": outcome})
    directions = {way: spent.get(f"tokens_{way}") for way in ("in", "out")}
    if None in directions.values():
        # Some servers tell the sum alone.
        directions = {"any": spent.get("tokens")}
    for way, number in directions.items():
        if number is not None:
            yield Count("synalign.tokens", "{token}", number, {**asked, "direction": way})
    if spent.get("money") is not None:
        yield Count("synalign.money", "{money}", spent["money"], {**asked, "currency": str(spent.get("currency", ""))})


def _send_quietly(run: Run, step: str, state: str, seconds: float) -> None:
    if not all(_there(part) for part in _PARTS):
        log.warning("OpenTelemetry is configured, and not installed: pip install 'synalign[telemetry]'")
        return
    try:
        manifest = run.manifest(step) if state == "done" else None
        _send(run.configuration.retriever, step, state, seconds, counts(manifest) if manifest else [])
    except Exception as error:
        log.warning("metrics were not sent: %s: %s", type(error).__name__, masking.mask(str(error)))


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _send(retriever: str, step: str, state: str, seconds: float, counted: list[Count]) -> None:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource

    # Each job is an instance of its own: what another has counted is not overwritten.
    about = {"service.instance.id": str(uuid.uuid4())}
    if not os.environ.get("OTEL_SERVICE_NAME"):
        about["service.name"] = "synalign"
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(timeout=_LONGEST_SEND), export_interval_millis=3_600_000)
    provider = MeterProvider([reader], Resource.create(about), shutdown_on_exit=False)
    meter = provider.get_meter("synalign")
    common = {"retriever": retriever, "step": step}
    meter.create_histogram("synalign.step.duration", "s", "Seconds of a step.").record(
        seconds, {**common, "state": state}
    )
    for count in counted:
        meter.create_counter(count.name, count.unit).add(count.value, {**common, **count.attributes})
    provider.shutdown(timeout_millis=1000 * _LONGEST_SEND)
