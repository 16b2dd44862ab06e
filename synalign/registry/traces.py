"""A sample of requests as MLflow traces: what was sent, what came back, tokens, money and seconds.

They are in the experiment of the refreshes, linked to the run. Their ids are hashes of release and request, so that
what is logged twice is there once. Who audits a row of a training set finds its request by `synalign.request_id`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Set
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient
from mlflow.entities import Run, Span, SpanType, Trace, TraceInfo, TraceLocation, TraceState
from mlflow.tracing.client import TracingClient
from mlflow.tracing.constant import SpanAttributeKey, TraceMetadataKey, TraceTagKey

from synalign.registry.connection import connected, every
from synalign.registry.holdings import is_missing, refreshes
from synalign.tables import content_id, schema

if TYPE_CHECKING:
    from synalign.registry.release import Release

log = logging.getLogger("synalign")

RETRIEVER, TRAINING_SET = "synalign.retriever", "synalign.training_set"
REQUEST, BATCH = "synalign.request_id", "synalign.batch_id"
_PREVIEW = 1000
_SPAN_CHARACTERS = 16
_PAGE = 100


def log_traces(
    client: MlflowClient, release: Release, tracking: str, run: Run, version: str, prompts: Mapping[str, str]
) -> int:
    """Log the table `traces` of a release as traces of its experiment; those that are there are left.

    Args:
        client: MLflow.
        release: Whose requests.
        tracking: MLflow's address.
        run: The release's run.
        version: Version of its training set.
        prompts: Address of the prompt version of each kind of request.

    Returns:
        How many were logged.
    """
    if "traces" not in release.folders:
        # Made by a version of SynAlign that kept none.
        return 0
    rows = release.read("traces", schema("traces").names).to_pylist()
    if not rows:
        return 0
    of_it = f"tags.`{TRAINING_SET}` = '{release.model}/{version}'"
    found = _search(client, run.info.experiment_id, of_it, include_spans=False)
    there = {trace.info.trace_id for trace in found}
    tracing, count = TracingClient(tracking), 0
    for row in rows:
        span = _span(row, release, run)
        if span.trace_id not in there:
            try:
                tracing.log_spans(run.info.experiment_id, [span])
            except NotImplementedError as error:
                # A server before 3.4, or whose store keeps no spans.
                log.warning("register: requests are not kept as traces: %s", error)
                break
            tracing.start_trace(_info(row, span.trace_id, release, run, version, prompts))
            count += 1
    return count


def forget_traces(
    retriever: str | None, uri: str, batches: Set[str], matches: Callable[[str], bool], *, dry: bool
) -> int:
    """Delete the traces that show a query.

    Args:
        retriever: Whose; None: everybody's.
        uri: MLflow's address.
        batches: Batches of demonstrations that showed it.
        matches: Tells whether JSON has it.
        dry: Only count.

    Returns:
        How many were deleted, or would be.

    Raises:
        RegistryError: MLflow cannot be reached or refuses.
    """
    if is_missing(uri):
        return 0
    count = 0
    with connected(uri, "run `synalign forget` again") as client:
        for experiment in refreshes(client, retriever):
            place = experiment.experiment_id
            gone = [
                trace.info.trace_id
                for trace in _search(client, place, f"tags.`{REQUEST}` LIKE '%'", include_spans=True)
                if trace.info.tags.get(BATCH) in batches or any(map(matches, _texts(trace)))
            ]
            for start in range(0, 0 if dry else len(gone), _PAGE):
                client.delete_traces(place, trace_ids=gone[start : start + _PAGE])
            count += len(gone)
    return count


def _texts(trace: Trace) -> Iterator[str]:
    """Yield what a trace says, as JSON."""
    for span in trace.data.spans:
        for said in (span.inputs, span.outputs):
            yield json.dumps(said, ensure_ascii=False)


def _search(client: MlflowClient, experiment_id: str, wanted: str, *, include_spans: bool) -> Iterator[Trace]:
    return every(
        lambda token: client.search_traces(
            locations=[experiment_id],
            filter_string=wanted,
            max_results=_PAGE,
            page_token=token,
            include_spans=include_spans,
        )
    )


def _span(row: Mapping[str, Any], release: Release, run: Run) -> Span:
    """Return a request as the one span of its trace."""
    digits = content_id(release.key, row["request_id"])
    started = run.info.start_time * 1_000_000
    answer = [{"message": {"role": "assistant", "content": row["answer"]}}] if row["answer"] is not None else []
    attributes = {
        SpanAttributeKey.REQUEST_ID: f"tr-{digits}",
        SpanAttributeKey.SPAN_TYPE: SpanType.CHAT_MODEL,
        SpanAttributeKey.INPUTS: {"model": row["model"], "messages": json.loads(row["messages"])},
        SpanAttributeKey.OUTPUTS: {"choices": answer},
        SpanAttributeKey.MODEL: row["model"],
        **({SpanAttributeKey.CHAT_USAGE: _usage(row)} if _usage(row) else {}),
    }
    good = row["outcome"] == "ok"
    return Span.from_dict(
        {
            "name": row["kind"],
            # With its prefix: without one MLflow takes it for base64.
            "trace_id": f"tr-{digits}",
            "span_id": digits[:_SPAN_CHARACTERS],
            "parent_span_id": None,
            "start_time_unix_nano": started,
            "end_time_unix_nano": started + int(row["seconds"] * 1e9),
            "status": {
                "code": "STATUS_CODE_OK" if good else "STATUS_CODE_ERROR",
                "message": "" if good else row["outcome"],
            },
            "attributes": {name: json.dumps(value, ensure_ascii=False) for name, value in attributes.items()},
            "events": [],
        }
    )


def _usage(row: Mapping[str, Any]) -> dict[str, int]:
    """Return the tokens of a request as MLflow counts them; empty where the endpoint does not say."""
    tokens_in, tokens_out = row["tokens_in"], row["tokens_out"]
    if tokens_in is None or tokens_out is None:
        return {}
    return {"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": tokens_in + tokens_out}


def _info(
    row: Mapping[str, Any], trace_id: str, release: Release, run: Run, version: str, prompts: Mapping[str, str]
) -> TraceInfo:
    usage, prompt = _usage(row), prompts.get(row["kind"])
    _, name, number = prompt.rsplit("/", 2) if prompt else ("", "", "")
    linked = {TraceTagKey.LINKED_PROMPTS: json.dumps([{"name": name, "version": number}])} if prompt else {}
    return TraceInfo(
        trace_id=trace_id,
        trace_location=TraceLocation.from_experiment_id(run.info.experiment_id),
        request_time=run.info.start_time,
        state=TraceState.OK if row["outcome"] == "ok" else TraceState.ERROR,
        request_preview=json.loads(row["messages"])[-1]["content"][:_PREVIEW],
        response_preview=(row["answer"] or row["outcome"])[:_PREVIEW],
        client_request_id=row["request_id"],
        execution_duration=int(row["seconds"] * 1000),
        trace_metadata={
            TraceMetadataKey.SOURCE_RUN: run.info.run_id,
            **({TraceMetadataKey.TOKEN_USAGE: json.dumps(usage)} if usage else {}),
        },
        tags={
            TraceTagKey.TRACE_NAME: row["kind"],
            RETRIEVER: release.retriever,
            TRAINING_SET: f"{release.model}/{version}",
            REQUEST: row["request_id"],
            BATCH: row["batch_id"],
            "synalign.outcome": row["outcome"],
            "synalign.prompt_version": row["prompt_version"],
            **({"synalign.money": f"{row['money']:.6g} {row['currency']}"} if row["money"] is not None else {}),
            **linked,
        },
    )
