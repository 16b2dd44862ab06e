"""The command that trains a retriever on a training set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from synalign.cli.arguments import AsJson
from synalign.cli.look import REFERENCES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from synalign.steps.train import Done

_NAMES = {"zero_shot": "zero-shot", "champion": "champion", "new": "new"}


def train(
    reference: Annotated[str, typer.Argument(metavar="RETRIEVER[@VERSION]", help=REFERENCES)] = "demo",
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", min=1, help="Batches; default: as training.epochs says.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto (a GPU where there is one), cpu or cuda.")] = "auto",
    register: Annotated[
        bool, typer.Option("--register/--no-register", help="Make it a version of the registered model in MLflow.")
    ] = True,
    as_json: AsJson = False,
) -> None:
    """Train a retriever on a training set, and say what it is worth.

    The trainer is sentence-transformers' own; settings are those under
    `training`, of the YAML file where you name one, else of the run. Real
    validation queries are asked on the way, and the best checkpoint is kept;
    the model before training ("zero-shot") is one of them.

    Real test queries then compare it with the model before training and with
    the champion, query by query, and the gate is that of the training set
    (evaluation.gate): failed means that it is shown to be worse.

    It is registered as a version of the model RETRIEVER in MLflow, with the
    training set's version and digest. The same set and settings are trained
    once. No alias moves: a retriever serves after an A/B test
    (`synalign experiment draft`).

    Needs the extra `train`: pip install 'synalign[train]'.

    Example: synalign train shop@current --steps 2000
    """
    import logging

    from synalign import installed
    from synalign.steps.train import Options, find, trained

    installed.need_jobs()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("synalign").setLevel(logging.INFO)
    run, configuration = find(reference)
    done = trained(run, configuration, Options(steps, device, register))
    if as_json:
        typer.echo(json.dumps(done._asdict(), indent=2, ensure_ascii=False))
        return
    for line in _lines(done):
        typer.echo(line)


def _lines(done: Done) -> Iterator[str]:
    """Yield lines for people: what was trained, what it is worth, where it is, what to do next."""
    figures = done.figures
    yield _title(done)
    if figures["test"]:
        yield from _table(figures["test"])
        yield (
            f"  nDCG@10 of {figures['queries']['test']:,} real test queries among {figures['documents_ranked']:,} "
            "documents; 95 % intervals"
        )
    yield from _notes(figures)
    yield f"  gate   {figures['gate']['status']}: {figures['gate']['reason']}"
    if done.location is None:
        yield "  model  none: no checkpoint was better than the model before training, which you have"
        yield "  next   more steps (--steps), another training.learning_rate, or a larger training set"
        return
    yield f"  model  {done.location}"
    if done.url:
        yield f"  MLflow {done.url}"
    if done.version is None:
        yield "  next   evaluate it in your own search, or train without --no-register to try it online"
    elif figures["gate"]["status"] == "failed":
        yield "  next   look at what it loses before you try it: `synalign show` and the report of the training set"
    else:
        yield f"  next   synalign experiment draft {figures['retriever']}.yaml > plan.yaml    (its YAML file)"


def _title(done: Done) -> str:
    figures = done.figures
    training_set = figures["training_set"]
    named = f"{training_set['model']} version {training_set['version']}" if training_set["version"] else "its set"
    kept = f"step {figures['step']} of {figures['steps']}" if figures["step"] else "the model before training"
    again = " (trained before, with the same set and settings)" if done.reused else ""
    version = f" version {done.version}" if done.version else ""
    return (
        f"{figures['retriever']}{version}{again}: {figures['loss']} on {figures['rows']:,} rows of {named}, "
        f"{kept} kept, {figures['seconds']:,.0f} s on {figures['device']}"
    )


def _table(test: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield f"  {'':<10}{'nDCG@10':>8}   {'new minus it':<28}{'p':>7}"
    for name, shown in _NAMES.items():
        if name not in test:
            continue
        line = f"  {shown:<10}{test[name]['ndcg_at_10']:>8.4f}"
        compared = test.get(f"new_minus_{name}")
        if compared is not None:
            ends = f" [{compared['lower']:+.4f}, {compared['upper']:+.4f}]" if "lower" in compared else ""
            difference = f"{compared['difference']:+.4f}{ends}"
            line += f"   {difference:<28}{compared['p_value']:>7.4f}"
        yield line


def _notes(figures: Mapping[str, Any]) -> Iterator[str]:
    champion = figures["champion"]
    if champion is None:
        yield "  no champion serves yet: the gate compares with the model before training"
    elif champion["not_compared"]:
        yield f"  not compared with the champion: {champion['not_compared']}"
    if not figures["validation"]:
        yield "  no validation query: the last checkpoint was kept, whatever it is worth"
