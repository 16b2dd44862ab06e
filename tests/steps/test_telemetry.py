"""Metrics of real jobs, received by a collector of the test's over HTTP and decoded by OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from synalign import flow
from synalign.config import Configuration
from synalign.run import Interval, Run
from synalign.steps import telemetry
from synalign.steps.telemetry import Count, configured, counts
from synalign.writer.server import embedded_writer
from tests.steps.test_generate import prepared, settings

JOB = Path(__file__).parent.parent.parent / "jobs" / "generate.py"
WHEN = ("--start", "2026-01-01", "--end", "2026-01-02")
# Prices, so that there is money: a million tokens in, and out.
BUDGET = {"input_price": 1.0, "output_price": 10.0}


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportMetricsServiceRequest]]]:
    """Receive metrics on loopback."""
    received: list[ExportMetricsServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            body = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
            assert self.path == "/v1/metrics"
            received.append(ExportMetricsServiceRequest.FromString(body))
            answer = ExportMetricsServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *given: Any) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()


def points(request: ExportMetricsServiceRequest) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Values with their attributes, by metric."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in [*metric.sum.data_points, *metric.histogram.data_points]:
                    attributes = {each.key: each.value.string_value for each in point.attributes}
                    value = point.sum if metric.HasField("histogram") else (point.as_double or point.as_int)
                    found.setdefault(metric.name, []).append((attributes, value))
    return found


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[ExportMetricsServiceRequest], Run]:
    """What three jobs sent: *generate* that is done, reused, and fails."""
    folder = tmp_path_factory.mktemp("telemetry")
    home, file, wrong = folder / "home", folder / "r.yaml", folder / "wrong.yaml"
    file.write_text(yaml.safe_dump(settings(budget=BUDGET)))
    wrong.write_text(yaml.safe_dump(settings(budget=BUDGET, model="other")))
    run = prepared(home / "runs", budget=BUDGET)
    with collector() as (url, received), embedded_writer() as writer:
        environment = {
            **os.environ, "SYNALIGN_HOME": str(home), "SYNALIGN_WRITER_URL": writer, "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        }  # fmt: skip
        for name, code in ((file, 0), (file, 0), (wrong, 4)):
            command = [sys.executable, str(JOB), "--config", str(name), *WHEN]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == code, done.stderr[-3000:]
            assert "WARNING metrics" not in done.stderr
    return received, run


def test_a_step_sends_rows_requests_tokens_and_money_as_its_manifest_has_them(
    sent: tuple[list[ExportMetricsServiceRequest], Run],
) -> None:
    received, run = sent
    manifest = run.manifest("generate")
    assert manifest is not None
    found, metrics, common = points(received[0]), manifest["metrics"], {"retriever": "r", "step": "generate"}
    rows = {attributes["table"]: value for attributes, value in found["synalign.rows"]}
    assert rows == {table: run.rows(table) for table in flow.step("generate").writes}
    model = {**common, "asked": "model"}
    assert found["synalign.requests"] == [({**model, "outcome": "ok"}, run.read("requests").num_rows)]
    tokens = {attributes["direction"]: value for attributes, value in found["synalign.tokens"]}
    assert tokens == {"in": metrics["tokens_in"], "out": metrics["tokens_out"]}
    ((attributes, money),) = found["synalign.money"]
    assert attributes == {**model, "currency": "USD"}
    assert money == pytest.approx((tokens["in"] + 10 * tokens["out"]) / 1e6)
    ((attributes, seconds),) = found["synalign.step.duration"]
    assert attributes == {**common, "state": "done"}
    assert seconds >= manifest["seconds"]


def test_a_reused_or_failed_step_sends_its_seconds_and_spends_nothing_again(
    sent: tuple[list[ExportMetricsServiceRequest], Run],
) -> None:
    received = [points(request) for request in sent[0]]
    assert [list(found) for found in received[1:]] == [["synalign.step.duration"]] * 2
    assert [found["synalign.step.duration"][0][0]["state"] for found in received] == ["done", "reused", "failed"]


def test_each_job_is_an_instance_of_one_service(sent: tuple[list[ExportMetricsServiceRequest], Run]) -> None:
    resources = [
        {each.key: each.value.string_value for each in request.resource_metrics[0].resource.attributes}
        for request in sent[0]
    ]
    assert {resource["service.name"] for resource in resources} == {"synalign"}
    assert len({resource["service.instance.id"] for resource in resources}) == 3


def test_a_judge_and_a_server_that_counts_less_are_told_apart() -> None:
    judged = {"requests": 3, "outcomes": {"ok": 2, "timeout": 1}, "tokens": 40, "money": 0.5, "currency": "EUR"}
    assert counts({"tables": {}, "metrics": {"judge": judged}}) == [
        Count("synalign.requests", "{request}", 2, {"asked": "judge", "outcome": "ok"}),
        Count("synalign.requests", "{request}", 1, {"asked": "judge", "outcome": "timeout"}),
        Count("synalign.tokens", "{token}", 40, {"asked": "judge", "direction": "any"}),
        Count("synalign.money", "{money}", 0.5, {"asked": "judge", "currency": "EUR"}),
    ]
    assert counts({"tables": {"pool": {"rows": 7}}, "metrics": {}}) == [
        Count("synalign.rows", "{row}", 7, {"table": "pool"})
    ]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://127.0.0.1:9/v1/metrics"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_METRICS_EXPORTER": "none"}, False),
    ],
)
def test_nothing_is_sent_where_no_collector_is_named(
    variables: dict[str, str], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert configured() is expected


def test_where_the_sdk_is_missing_the_extra_is_named_and_the_step_is_done(
    configuration: Callable[..., Configuration], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(telemetry, "find_spec", lambda module: None)
    with telemetry.measured(
        Run(configuration(), Interval.parse("2026-01-01", "2026-01-02"), tmp_path), "ingest"
    ) as step:
        step.summary = {"step": "ingest"}
    assert "synalign[telemetry]" in caplog.text
