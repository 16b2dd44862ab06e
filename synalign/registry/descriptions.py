"""Descriptions in MLflow, in Markdown: what people need first, then how to load the set.

Lists show only the beginning of a description, and show Markdown as it is written: first lines are plain text.
"""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING, Any

from synalign.config.schemes import ALIGNED
from synalign.evaluation.measured import MACRO_F1, measured
from synalign.evaluation.report import difference, weights_in_words
from synalign.generation.ledger import carried_ledger, whole_ledger
from synalign.registry.attachment import REPORT
from synalign.registry.pages import experiment_path, model_path, to_registry, to_tracking
from synalign.text.numbers import count, counted, figure, p_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from synalign.experiment.plan import Arm, ExperimentPlan
    from synalign.registry.release import Release

# What would end a table's cell, or be read as HTML.
_CELL = str.maketrans({"|": "\\|", "<": "&lt;", ">": "&gt;", "`": "'", "\n": " "})


def interval_name(interval: str) -> str:
    """Name a data interval for people; names sort by time.

    Examples:
        >>> interval_name("20260228T000000Z-20260301T000000Z")
        '2026-02-28 to 2026-03-01'
        >>> interval_name("20260228T060000Z-20260228T120000Z")
        '2026-02-28 06:00 to 2026-02-28 12:00'
    """
    start, end = (datetime.strptime(moment, "%Y%m%dT%H%M%SZ") for moment in interval.split("-"))
    whole = start.time() == end.time() == time()
    kind = "%Y-%m-%d" if whole else "%Y-%m-%d %H:%M"
    return f"{start:{kind}} to {end:{kind}}"


def of_experiment(retriever: str, model: str) -> str:
    """Describe the MLflow experiment that holds a retriever's refreshes."""
    return (
        f"Refreshes of the training set of the retriever {retriever}: one run per training set, named by its data "
        f"interval.\n\n"
        f"Each run has the report (`{REPORT}`), the set itself, the manifests of all steps and the configuration "
        "among its artefacts. Figures are grouped: `alignment/` distance to real traffic before and after, "
        "`weights/` how even the set's weights are, `retriever/` what retrievers trained on it do, `ledger/` where "
        "every query that was asked for ended, `pool/` what became of the candidates of earlier intervals, `rows/`, "
        "`cost/`, `seconds/`. Series: `sampling/uncertainty` by batch, "
        "`weights/cumulative_share` by per cent of the synthetic rows, heaviest first.\n\n"
        f"Versions: {to_registry(model, model_path(model))}."
    )


def of_model(retriever: str, model: str, experiment_id: str) -> str:
    """Describe the registered model that holds a retriever's training sets."""
    return (
        f"Training sets of the retriever {retriever}: real pairs and written queries, each with a weight. One version "
        "per refresh; the alias `current` names the newest that passed its checks.\n\n"
        f"{_loading(f'models:/{model}@current')}\n\n"
        f"How each version was made: {to_tracking(f'refresh/{retriever}', experiment_path(experiment_id))}."
    )


def of_release(release: Release, load: str, links: Sequence[str] = ()) -> str:
    """Describe a refresh's run, or its version.

    Args:
        release: The release.
        load: MLflow's address of the training set, such as `models:/shop-training-set/3`.
        links: To pages to go on to, in Markdown.
    """
    verdict = f"{counted(len(release.failures), 'check')} failed" if release.failures else "All checks passed"
    first = f"{verdict}. {count(release.rows('training_set'))} rows, {interval_name(release.interval)}."
    failures = "\n".join(f"- Check failed: {_cell(failure)}." for failure in release.failures)
    not_judged = f"{release.not_judged.capitalize()}." if release.not_judged else ""
    parts = [first, failures, not_judged, " | ".join(links), _table(_rows(release)), _loading(load)]
    return "\n\n".join(part for part in parts if part)


def of_plans(retriever: str, model: str) -> str:
    """Describe the MLflow experiment that holds a retriever's A/B tests."""
    return (
        f"A/B tests of the retriever {retriever}: one run per plan, named by its id.\n\n"
        "Each run has the plan (`plan.json`), how a unit gets its arm (`ASSIGNMENT.md`) and the read-outs among its "
        "artefacts. The step of its metrics is the look, one a day; the newest verdict is in its tags.\n\n"
        f"What serves: {to_registry(model, model_path(model))}."
    )


def of_plan(plan: ExperimentPlan) -> str:
    """Describe an A/B test's run."""
    arms = [(f"{arm.name.title()}", f"{arm.model_uri}, trained on {_trained_on(arm)}") for arm in plan.arms]
    rows = [
        ("Decides", f"{plan.primary.name}, by an effect of at least {100 * plan.minimum_detectable_effect:g} %"),
        ("Runs", f"{plan.start} to {plan.stop}, {100 * plan.treatment_share:g} % of units in the treatment"),
        ("Units per arm", f"{count(plan.sample_size_per_arm)}, some {plan.expected_days} days"),
        *arms,
        ("Owner", plan.owner),
        ("Plan's SHA-256", plan.digest),
    ]
    return f"{plan.hypothesis}\n\n{_table(rows)}"


def of_record(retriever: str) -> str:
    """Describe the MLflow experiment that is the record of what served."""
    return (
        f"What served as the retriever {retriever}, and who decided it: one run per event, each with the SHA-256 of "
        f"the one before. It is written by SynAlign alone and only at its end: edit nothing here.\n\n"
        f"`synalign lineage {retriever}` reads it and checks every link."
    )


def of_retriever(retriever: str, training_set: str) -> str:
    """Describe the registered model that names what serves and what is tried."""
    return (
        f"Retrievers that served, were tried or were trained as {retriever}: one version per arm of an A/B test, and "
        "one per training. The alias `champion` names what serves, `challenger` what is tried.\n\n"
        "A version only points to its retriever: the tag `model_uri` says where it is. Move aliases by "
        "`synalign experiment`, which says so in the record.\n\n"
        f"Trained on: [{training_set}]({model_path(training_set)})."
    )


def of_trainings(retriever: str, model: str) -> str:
    """Describe the MLflow experiment that holds a retriever's trainings."""
    return (
        f"Trainings of the retriever {retriever} by `synalign train`: one run per training set and settings.\n\n"
        "Each run has the model, what came of it (`figures.json`) and a draft of an A/B test (`plan.yaml`) among its "
        "artefacts. Metrics: `validation/` by step, `test/` beside the model before training and the champion.\n\n"
        f"Versions: {to_registry(model, model_path(model))}."
    )


def of_trained(figures: Mapping[str, Any], model: str) -> str:
    """Describe a trained retriever: its run, and its version.

    Args:
        figures: What came of the training.
        model: Name of the registered model.
    """
    trained, base, test, gate = (figures[name] for name in ("training_set", "base", "test", "gate"))
    kept = "the model before training" if not figures["step"] else f"step {figures['step']} of {figures['steps']}"
    rows = [
        ("Trained on", f"{trained['model']} version {trained['version']}, SHA-256 {trained['digest']}"),
        ("From", f"{base['model']}, SHA-256 {base['revision']}"),
        ("How", f"{figures['loss']}, {count(figures['rows'])} rows, {kept} kept"),
    ]
    for name in ("zero_shot", "champion"):
        if f"new_minus_{name}" in test:
            said = f"{test[name]['ndcg_at_10']:.4f}: {difference(test[f'new_minus_{name}'])}"
            rows.append((f"Test nDCG@10, {name.replace('_', ' ')}", said))
    rows.append(("Gate", f"{gate['status']}: {gate['reason']}"))
    load = 'mlflow.sentence_transformers.load_model("models:/' + model + '/VERSION")'
    return f"Gate {gate['status']}. {trained['model']} version {trained['version']}.\n\n{_table(rows)}\n\n`{load}`"


def _rows(release: Release) -> list[tuple[str, str]]:
    evaluation = release.evaluation
    found = [
        ("Rows", f"{_split(release)}, written by {release.writer}"),
        ("Asked for", _ledger(release)),
        *_carried(release),
        ("Squared MMD to held-out queries", _distance(release)),
        ("Weights", f"{weights_in_words(evaluation)}: {evaluation['reason']}"),
    ]
    if "test" in evaluation:
        by = measured(evaluation)
        found += [(f"Test {by.words}", _test(evaluation["test"], by.name))]
        if MACRO_F1 in by.others:
            found.append((f"Test {by.others[MACRO_F1]}", _test(evaluation["test"], MACRO_F1, f"{MACRO_F1}_")))
    found.append(("Gate", f"{evaluation['gate']['status']}: {evaluation['gate']['reason']}"))
    return [*found, ("SHA-256", release.digest)]


def _split(release: Release) -> str:
    """Return rows by source and split, such as `1,544 real train, 450 real test, 1,073 synthetic train`."""
    sizes = {
        name.removesuffix("_rows").replace("_", " "): rows
        for name, rows in release.metrics("assemble").items()
        if name.endswith("_rows")
    }
    return ", ".join(f"{count(rows)} {name}" for name, rows in sorted(sizes.items())) or "none"


def _ledger(release: Release) -> str:
    ledger = whole_ledger(release.metrics("generate"), release.metrics("screen"))
    rejected, missing = (sum(ledger[part].values()) for part in ("rejected", "not_written"))
    return (
        f"{count(ledger['asked_for'])} queries = {count(ledger['accepted'])} accepted + {count(rejected)} rejected "
        f"+ {count(missing)} not written"
    )


def _carried(release: Release) -> list[tuple[str, str]]:
    ledger = carried_ledger(release.metrics("carry"), release.metrics("screen"))
    if not ledger["found"]:
        return []
    left, rejected = (sum(ledger[part].values()) for part in ("left", "rejected"))
    said = (
        f"{count(ledger['found'])} queries = {count(ledger['accepted'])} accepted + {count(left)} left behind "
        f"+ {count(rejected)} rejected"
    )
    return [("Of earlier intervals", said)]


def _distance(release: Release) -> str:
    """Return squared MMD to held-out queries before and after alignment, and whether those weights were chosen."""
    found = release.metrics("align")
    if "mmd2_held_out_before" not in found:
        return "not measured: no held-out query"
    before, after = (figure(found[f"mmd2_held_out_{when}"], 3) for when in ("before", "after"))
    chance = f", {p_value(found['mmd2_held_out_p_value'])}" if "mmd2_held_out_p_value" in found else ""
    others = "" if release.evaluation["scheme"] == ALIGNED else "; with the aligned weights, which were not chosen"
    return f"{before} \u2192 {after}{chance}{others}"


def _test(test: dict[str, Any], measure: str, of: str = "") -> str:
    control, treatment = (test[arm][measure] for arm in ("control", "treatment"))
    return (
        f"{treatment:.4f} with the set, {control:.4f} with real pairs alone: "
        f"{difference(test['treatment_minus_control'], of)}"
    )


def _trained_on(arm: Arm) -> str:
    trained = arm.training_set
    return f"{trained.model} version {trained.version}" if trained else "what is not recorded"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    body = "\n".join(f"| {name} | {_cell(text)} |" for name, text in rows)
    return f"| | |\n|---|---|\n{body}"


def _cell(text: str) -> str:
    """Escape a stranger's text for a cell of a table."""
    return text.translate(_CELL).replace("](", "]\\(")


def _loading(address: str) -> str:
    return (
        "To train on it:\n\n```python\n"
        "import mlflow\n"
        "import pandas as pd\n"
        "\n"
        f'rows = pd.read_parquet(mlflow.artifacts.download_artifacts("{address}"))\n'
        'train = rows[rows["split"] == "train"]  # query, document, weight\n'
        "```\n\n"
        "`interval` and `request_id` say where a written row came from: the refresh and the request that wrote it. In "
        "real rows they are empty, and sets of older versions lack them."
    )
