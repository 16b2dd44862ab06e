"""The commands `synalign experiment ...`: plan, start, assign, end, promote, roll back."""

from __future__ import annotations

import getpass
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from synalign import retriever_files
from synalign.experiment import store
from synalign.experiment.findings import RULES
from synalign.experiment.plan import ExperimentPlan, load_plan, plan_schema

experiment = typer.Typer(
    no_args_is_help=True,
    help="""Test two retrievers against each other online.

    A plan (YAML) says everything before the test starts: who is in, what is
    measured, how many units it takes, when it is decided. `draft` writes one
    to begin with, `check` says what it takes, `start` freezes it and registers
    both arms in MLflow: what serves as `champion`, what is tried as
    `challenger`. Your serving side assigns units as ASSIGNMENT.md says
    (`assign` shows it).

    The DAG `read_experiment__<retriever>` reads the logs every day and asks a
    person to approve when the verdict is `ship`; `promote` and `end` do by
    hand what follows. `synalign lineage` says what served when.
    """,
)


def _user() -> str:
    """Return the caller's name; empty where the system knows none, as in many containers: then --by is needed."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""


PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan, YAML or JSON.")]
Retriever = Annotated[str, typer.Argument(help="Name of the retriever.")]
Id = Annotated[str, typer.Argument(metavar="ID", help="Id of a started experiment.")]
Reason = Annotated[str, typer.Option(help="Why, in a sentence; it stays in the record.")]
By = Annotated[str, typer.Option(help="Who decided.", default_factory=_user, show_default="you")]
At = Annotated[
    datetime | None,
    typer.Option(help="When it was decided (UTC); default: now.", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
]


@experiment.command()
def draft(file: Annotated[Path, typer.Argument(help="The retriever's YAML file.")]) -> None:
    """Print a commented plan, filled from what serves and from what was trained last.

    The treatment is the newest retriever of `synalign train` that did not fail
    at its gate; where there is none, or it serves already, one that you
    trained on the newest training set, wherever it is.

    What only a person knows is `null`; `check` names each of them.

    Example: synalign experiment draft my.yaml > plan.yaml
    """
    from synalign.experiment.drafts import draft as drafted
    from synalign.experiment.plan import TrainingSet
    from synalign.registry.connection import tracking_uri
    from synalign.registry.serving import champion, newest_training_set
    from synalign.registry.trained import newest

    configuration = retriever_files.load(file)
    serving = champion(configuration.retriever, tracking_uri())
    candidate = newest(configuration.retriever, tracking_uri())
    if candidate is not None and serving is not None and candidate.uri == serving.model_uri:
        candidate = None
    trained = serving.training_set if serving else None
    text = drafted(
        configuration.retriever,
        candidate.training_set if candidate else newest_training_set(configuration.retriever, tracking_uri()),
        datetime.now(UTC).date() + timedelta(days=1),
        owner=configuration.owner,
        control_uri=serving.model_uri if serving else None,
        control_set=TrainingSet(**trained) if trained else None,
        treatment_uri=candidate.uri if candidate else None,
    )
    typer.echo(text, nl=False)


@experiment.command()
def check(file: PlanFile) -> None:
    """Check a plan: every mistake with key, value and rule, and what the test takes. Changes nothing.

    Example: synalign experiment check plan.yaml
    """
    plan = load_plan(file)
    for line in _described(plan):
        typer.echo(line)
    store.check(plan)


@experiment.command()
def start(file: PlanFile, by: By, at: At = None) -> None:
    """Freeze a plan and register both arms. The same call again changes nothing.

    From then on the plan cannot change: a change is a new plan, under another id, that names this one in `replaces`.

    Example: synalign experiment start plan.yaml --by ana
    """
    from synalign.registry import lifecycle
    from synalign.registry.connection import tracking_uri

    plan = load_plan(file)
    done = lifecycle.start(plan, by, _moment(at), tracking_uri())
    for line in _described(plan):
        typer.echo(line)
    typer.echo(f"  MLflow  model {done.model}: champion version {done.control}, challenger version {done.treatment}")
    typer.echo(f"          run {done.run_id}: plan.json, plan.schema.json, ASSIGNMENT.md")
    typer.echo(f"  kept    {store.folder(plan)}")


@experiment.command()
def assign(
    file: PlanFile,
    units: Annotated[list[str], typer.Argument(metavar="UNIT...", help="Ids of units, exactly as they are logged.")],
    day: Annotated[datetime | None, typer.Option(help="Day (UTC); default: today.", formats=["%Y-%m-%d"])] = None,
) -> None:
    """Say what units see on a day: control, treatment, or nothing of the experiment (out).

    Example: synalign experiment assign plan.yaml user-1 user-2 --day 2026-03-03
    """
    from synalign.experiment import assignment

    plan = load_plan(file)
    when = day.date() if day else datetime.now(UTC).date()
    for unit in units:
        typer.echo(f"{unit}\t{assignment.assign(plan, unit, when) or 'out'}")


@experiment.command("list")
def list_(retriever: Retriever) -> None:
    """List the experiments of a retriever and where they stand.

    Example: synalign experiment list shop
    """
    from synalign.registry import lifecycle

    for id in store.started(retriever):
        plan = store.plan(retriever, id)
        typer.echo(f"{id}\t{plan.start}\t{lifecycle.state(plan, datetime.now(UTC).date())}")


@experiment.command()
def end(retriever: Retriever, id: Id, reason: Reason, by: By, at: At = None) -> None:
    """End an experiment: what serves goes on, the challenger goes.

    Example: synalign experiment end shop shop-2026-03-02 --reason "no difference after four weeks"
    """
    from synalign.registry import lifecycle
    from synalign.registry.connection import tracking_uri

    plan = store.plan(retriever, id)
    event = lifecycle.end(plan, by, _moment(at), reason, tracking_uri())
    typer.echo(f"{id}: {event.kind} {event.at:%Y-%m-%d %H:%M} UTC by {event.by}; {event.champion.model_uri} serves")


@experiment.command()
def promote(retriever: Retriever, id: Id, reason: Reason, by: By, at: At = None) -> None:
    """Let the treatment serve: `champion` moves to it, and the experiment is over.

    The DAG does this after a person approved a verdict `ship`; by hand it is for those who know why.

    Example: synalign experiment promote shop shop-2026-03-02 --reason "the test of the app showed the same"
    """
    from synalign.registry import lifecycle
    from synalign.registry.connection import tracking_uri

    plan = store.plan(retriever, id)
    event = lifecycle.promote(plan, by, _moment(at), reason, tracking_uri())
    typer.echo(f"{id}: promoted {event.at:%Y-%m-%d %H:%M} UTC by {event.by}; {event.champion.model_uri} serves")


@experiment.command("roll-back")
def roll_back(retriever: Retriever, reason: Reason, by: By, at: At = None) -> None:
    """Let serve again what served before the last promotion, and end what runs.

    Example: synalign experiment roll-back shop --reason "latency doubled"
    """
    from synalign.registry import lifecycle
    from synalign.registry.connection import tracking_uri

    event = lifecycle.roll_back(retriever, by, _moment(at), reason, tracking_uri())
    typer.echo(f"{retriever}: rolled back to version {event.champion.version}, {event.champion.model_uri} serves")


@experiment.command()
def record(
    retriever: Retriever, as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False
) -> None:
    """Print everything that happened to what serves, oldest first, after checking that nothing was altered.

    Example: synalign experiment record shop --json
    """
    from synalign.registry import record as records
    from synalign.registry.connection import connected, tracking_uri

    with connected(tracking_uri(), "ask again") as client:
        chain = records.events(client, retriever)
    if as_json:
        typer.echo(json.dumps([event.as_json() for event in chain], indent=2, ensure_ascii=False))
        return
    for event in chain:
        kind = event.kind.replace("_", " ")
        typer.echo(
            f"{event.number:>4}  {event.at:%Y-%m-%d %H:%M:%S}  {kind:<11}  {event.experiment}  champion version "
            f"{event.champion.version}  by {event.by}: {event.reason}"
        )


@experiment.command()
def schema(
    stored: Annotated[
        bool, typer.Option("--stored", help="Of plan.json in MLflow, where every field is there.")
    ] = False,
) -> None:
    """Print the JSON schema of a plan, for editors and outside tools.

    Example: synalign experiment schema > plan.schema.json
    """
    typer.echo(json.dumps(plan_schema(stored=stored), indent=2, ensure_ascii=False))


def lineage(
    retriever: Retriever,
    at: Annotated[
        str, typer.Option(help="A day (its end, UTC) or a time in ISO 8601 (without time zone: UTC); default: now.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """Say what served at a moment, what it was trained on, and under which experiment.

    Read from the record of promotions, which is checked first: a changed or
    missing event is an error, not another answer. Where nothing is promoted
    yet it says which training set is `current`.

    Example: synalign lineage shop --at 2026-03-03
    """
    from synalign.registry import lineage as lineages
    from synalign.registry.connection import impatient, tracking_uri

    uri, moment = tracking_uri(), _instant(at)
    with impatient():
        found = lineages.unpromoted(retriever, uri) or lineages.lineage(retriever, moment, uri)
    typer.echo(json.dumps(found.as_json(), indent=2, ensure_ascii=False) if as_json else "\n".join(found.lines()))


def _described(plan: ExperimentPlan) -> list[str]:
    """Return lines with what a person wants to know of a plan before it starts."""
    share, size = plan.treatment_share, plan.sample_size_per_arm
    lines = [
        f"{plan.retriever}, {plan.id}: right; plan {plan.digest}",
        f"  units   {size:,} in the smaller arm, {round(size / min(share, 1 - share)):,} in all, to find a change of "
        f"{plan.minimum_detectable_effect:.2%} in {plan.primary.name} with power {plan.power:.0%}",
        f"  days    {plan.expected_days} expected, at most {(plan.stop - plan.start).days + 1}: {plan.start} to "
        f"{plan.stop}",
        f"  split   {share:.2%} treatment; traffic "
        + (", ".join(f"{step.share:.2%} from {step.start}" for step in plan.ramp) or "100 % from the first day"),
        f"  rule    {RULES[plan.stopping.rule]}",
    ]
    return lines + [f"  metric  {one.name}, error rate {plan.alpha_of(one.name):.4f}" for one in plan.metrics]


def _moment(at: datetime | None) -> datetime:
    return datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)


def _instant(at: str) -> datetime | date:
    if not at:
        return datetime.now(UTC)
    try:
        if len(at) == len("2026-03-03"):
            return date.fromisoformat(at)
        moment = datetime.fromisoformat(at)
    except ValueError as error:
        raise typer.BadParameter(
            f"{at!r} must be a day such as 2026-03-03, or a time in ISO 8601", param_hint="--at"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
