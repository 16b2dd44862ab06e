"""What the two jobs of an experiment do, from the command line: read a day out, and record a person's answer."""

from __future__ import annotations

import argparse
import logging
from datetime import date, datetime
from typing import Any

from synalign import config, retriever_files
from synalign.errors import ConfigurationError, RunError
from synalign.experiment import approval, store
from synalign.experiment.plan import ExperimentPlan
from synalign.steps.job import conclude

log = logging.getLogger("synalign")

NOBODY = "nobody (no answer in time)"


def read() -> None:
    """Read a day out for `jobs/read_experiment.py`: write it beside the plan, and log it to MLflow."""
    parser = _parser("Read an experiment out: add up exposures and outcomes, check them, and say what they show.")
    arguments = parser.parse_args()
    conclude(lambda: _read(arguments))


def decide() -> None:
    """Do `jobs/decide_experiment.py`: a yes moves `champion` and ends the experiment; a no is recorded."""
    parser = _parser("Record a person's answer to a verdict `ship`.")
    parser.add_argument("decision", choices=("promote", "reject"), help="what the answer was")
    parser.add_argument("--readout", required=True, help="SHA-256 of the readout.json that was answered")
    parser.add_argument("--by", required=True, help="who answered; empty: nobody did, in time")
    parser.add_argument("--at", required=True, help="when, ISO 8601 with time zone")
    arguments = parser.parse_args()
    conclude(lambda: _decide(arguments))


def _read(arguments: argparse.Namespace) -> dict[str, Any]:
    from synalign.experiment.readout import read_out, write
    from synalign.registry.connection import tracking_uri
    from synalign.registry.experiments import experiment_run
    from synalign.registry.readouts import log_readout
    from synalign.spark import session as spark

    where, plan = _experiment(arguments)
    with spark.session(f"synalign read_experiment {plan.retriever}") as session:
        exposures, outcomes = where.logs()
        readout = read_out(session, plan, exposures, outcomes, arguments.day)
    place = write(readout, store.folder(plan))
    log_readout(readout, experiment_run(plan, tracking_uri()), tracking_uri(), place)
    log.info("%s, %s, %s: %s", plan.retriever, plan.id, readout.day, readout.sentence)
    return {"experiment": plan.id, "day": str(readout.day), "verdict": readout.verdict, "readout": str(place)}


def _decide(arguments: argparse.Namespace) -> dict[str, Any]:
    from synalign.registry import lifecycle
    from synalign.registry import serving as registered
    from synalign.registry.connection import tracking_uri

    _, plan = _experiment(arguments)
    at = _moment(arguments.at)
    if arguments.decision == "reject":
        readout, _ = approval.seen(plan, arguments.day)
        reason = f"Not promoted on the read-out of {arguments.day}. {readout.sentence}"
        event = registered.reject(plan, arguments.by or NOBODY, at, reason, tracking_uri())
    else:
        if not arguments.by:
            raise RunError(
                "nobody approved the promotion.",
                cause="the task approve was marked as successful by hand, without an answer",
                remedy="clear the task approve and answer it, or `synalign experiment promote`",
            )
        readout = approval.must_still_hold(plan, arguments.day, arguments.readout)
        event = lifecycle.promote(plan, arguments.by, at, readout.sentence, tracking_uri())
    log.info(
        "%s, %s: %s by %s; version %s serves", plan.retriever, plan.id, event.kind, event.by, event.champion.version
    )
    return {"event": event.kind, "by": event.by, "at": event.at.isoformat(), "champion": event.champion.version}


def _experiment(arguments: argparse.Namespace) -> tuple[config.Experiment, ExperimentPlan]:
    configuration = retriever_files.load(arguments.config)
    if configuration.experiment is None:
        raise ConfigurationError(
            f"{arguments.config}: experiment is missing, reading experiments needs it.",
            remedy="say under `experiment:` where exposures and outcomes are",
        )
    return configuration.experiment, store.plan(configuration.retriever, arguments.experiment)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RunError(f"at == {text!r}, must be a time in ISO 8601.", remedy="such as 2026-03-09T10:00:00Z") from error
    if moment.tzinfo is None:
        raise RunError(f"at == {text!r}, must have a time zone.", remedy="such as 2026-03-09T10:00:00Z")
    return moment


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", required=True, help="the retriever's YAML file")
    parser.add_argument("--experiment", required=True, help="id of the experiment")
    parser.add_argument("--day", required=True, type=date.fromisoformat, help="last day (UTC) that is counted")
    return parser
