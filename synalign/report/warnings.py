"""Warnings: what in a run should make somebody look twice, each with what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

from synalign import flow
from synalign.config.schemes import ALIGNED, NONE
from synalign.report import closeness
from synalign.report.material import Material
from synalign.report.section import Section
from synalign.screening.reasons import OF_THE_POOL, REASONS
from synalign.text.numbers import change, count, counted, figure, p_value, share, words

Level = Literal["bad", "caution"]

FEW_HELD_OUT = 100
"""Held-out queries below which a squared MMD says little."""

FEW_VALIDATION = 100
"""Validation queries below which their choice says little."""

MANY_REJECTED = 0.05
"""Share of the log's rows whose loss is worth a look."""

FEW_ACCEPTED = 0.5
"""Share of queries asked for, below which most of what is paid for is thrown away."""

FEW_CARRIED = 0.5
"""Share of the candidates of earlier intervals, below which most of what was paid for then is lost."""

MUCH_UNWRITTEN = 0.05
"""Share of queries asked for that never came."""

CONVINCING = 0.05
"""A p-value above this says that chance may explain the whole improvement."""

NARROW = 0.25
"""Effective share of the rows, or of the documents, below which few of them carry the set."""


class Concern(NamedTuple):
    """One thing to look at.

    Attributes:
        id: Short and stable.
        level: `bad`: do not use the set before it is settled; `caution`: know it.
        title: What is the matter.
        detail: The figures behind it.
        remedy: What to do.
    """

    id: str
    level: Level
    title: str
    detail: str
    remedy: str


def section(material: Material) -> Section:
    """Show all warnings of a run, the bad ones first."""
    return Section("warnings", "Warnings", "warnings.html", {"warnings": warnings_of(material)})


def warnings_of(material: Material) -> list[Concern]:
    """List all warnings of a run, the bad ones first, otherwise in the order of the flow."""
    found = [warning for rule in RULES for warning in rule(material)]
    return sorted(found, key=lambda warning: warning.level != "bad")


def _missing(material: Material) -> Iterator[Concern]:
    if not material.missing:
        return
    first = flow.step(material.missing[0])
    yield Concern(
        "missing",
        "caution",
        f"The step {first.name} has not finished.",
        f"{first.purpose} After it come: {', '.join(material.missing[1:]) or 'none'}.",
        "Run the same refresh again, or clear the task in Airflow: finished steps are kept, and answers "
        "that were paid for are not paid for twice. If it fails again, its log says why.",
    )


def _stale(material: Material) -> Iterator[Concern]:
    if not material.stale:
        return
    yield Concern(
        "stale",
        "caution",
        f"{', '.join(material.stale)}: made with other settings or tables than those there are now.",
        next(iter(material.stale.values())),
        "Run the same refresh again: these steps are done anew, the others are kept. They are left out of this report.",
    )


def _checks(material: Material) -> Iterator[Concern]:
    for failure in material.metrics("register").get("failures", ()):
        yield Concern("check", "bad", f"Check failed: {failure}.", "", _remedy_of(failure))


def _remedy_of(failure: str) -> str:
    """Return the remedy for a failed check of `synalign.steps.register`."""
    if failure.startswith("gate:"):
        return (
            "Keep training on what is current. See under Retriever for which queries it is worse; take "
            "large masses out of evaluation.masses, or let another model write."
        )
    if failure.startswith("effective share"):
        return "Raise alignment.ridge, which keeps more of the sample, or have more queries written."
    if failure.startswith("squared MMD"):
        return "See under Before and after where real queries are that nobody wrote for; raise sampling.batches."
    if failure.startswith("the weights did not converge"):
        return "Raise alignment.tolerance to what was reached, or report it with this run's folder."
    return "See under What went in why queries were rejected or not written; checks.min_synthetic_rows is the bound."


def _alignment(material: Material) -> Iterator[Concern]:
    found = closeness.of_aligned(material)
    if not material.has("weights"):
        return
    if found is None:
        yield Concern(
            "no-held-out", "caution", "No real query is held out to judge the weights on.",
            "How close the set is was measured on the queries it was fitted to, which flatters it.",
            "Set ingest.test_fraction above 0.",
        )  # fmt: skip
        return
    chosen = closeness.chosen_scheme(material)
    if found.queries < FEW_HELD_OUT:
        yield Concern(
            "few-held-out", "caution", f"Only {counted(found.queries, 'real query is', 'real queries are')} held out.",
            f"Below {FEW_HELD_OUT}, squared MMD and its p-value say little.",
            "Widen source.window_days, or raise ingest.test_fraction.",
        )  # fmt: skip
    if chosen == ALIGNED and found.p_value > CONVINCING:
        yield Concern(
            "not-closer", "caution", "Weighting is not shown to bring the set closer to real traffic.",
            f"MMD\u00b2 {change(found.before, found.after)}, {p_value(found.p_value)} on "
            f"{counted(found.queries, 'held-out query', 'held-out queries')}.",
            "If the written queries were close already, nothing. Else have more of them written: weights can only "
            "choose among what is there.",
        )  # fmt: skip


def _narrow(material: Material) -> Iterator[Concern]:
    metrics = material.metrics("align")
    if not metrics or closeness.chosen_scheme(material) != ALIGNED:
        return
    rows, size = metrics["synthetic"], metrics["effective_sample_size"]
    if size / rows < NARROW:
        yield Concern(
            "narrow", "caution", f"{count(rows)} written queries are worth only {count(size)}.",
            f"The design effect is {figure(metrics['design_effect'])}: few of them carry most of the weight.",
            "Raise alignment.ridge, or have queries written that are nearer to traffic: sampling.batches.",
        )  # fmt: skip
    documents, mass = metrics["documents"], metrics["document_effective_sample_size"]
    if mass / documents < NARROW:
        yield Concern(
            "narrow-documents", "caution", f"{count(documents)} documents are worth only {count(mass)}.",
            "Most of the weight asks for few documents; the others lose their queries.",
            "Raise alignment.coverage.",
        )  # fmt: skip


def _choice(material: Material) -> Iterator[Concern]:
    metrics = material.metrics("evaluate")
    if not metrics:
        return
    if not metrics["validated"]:
        yield Concern(
            "not-validated", "caution", "No validation query chose the weights.", f"{metrics['reason']}.",
            "Set evaluation.retriever, and ingest.validation_fraction above 0, so that real queries decide.",
        )  # fmt: skip
    if metrics["scheme"] == NONE:
        yield Concern(
            "real-pairs-alone", "caution", "The training set has no written query.", f"{metrics['reason']}.",
            "Nothing is wrong with the set. Where written queries are to help, have them written by another model, or "
            "for documents that few ask for (generation.targets); with enough real pairs they may not be needed.",
        )  # fmt: skip
    if metrics["validated"] and metrics["queries"]["validation"] < FEW_VALIDATION:
        yield Concern(
            "few-validation", "caution",
            f"Only {counted(metrics['queries']['validation'], 'validation query', 'validation queries')} chose the "
            "weights.",
            f"With so few, chance has a say: {metrics['reason']}.",
            "Have more traffic read (source.window_days), or raise ingest.validation_fraction.",
        )  # fmt: skip
    if metrics["gate"]["status"] == "not evaluated":
        yield Concern(
            "no-gate", "caution", "Whether the set harms a retriever was not judged.", f"{metrics['gate']['reason']}.",
            "Set evaluation.retriever and evaluation.gate, and have at least 30 test queries with clicks.",
        )  # fmt: skip


def _ledger(material: Material) -> Iterator[Concern]:
    if not material.has("candidates", "screening"):
        return
    ledger, screened = material.metrics("generate")["ledger"], material.metrics("screen")
    asked = ledger["asked_for"]
    rejected = {**ledger["rejected"], **screened["rejected"]}
    if asked and screened["accepted"] / asked < FEW_ACCEPTED and rejected:
        most = max(rejected, key=lambda reason: rejected[reason])
        yield Concern(
            "few-accepted", "caution",
            f"Only {share(screened['accepted'] / asked)} of the queries asked for were accepted.",
            f"{counted(rejected[most], 'was', 'were')} rejected as {words(most)}.",
            REASONS[most].remedy if most in REASONS else "Read the examples under What went in.",
        )  # fmt: skip
    missing = {reason: number for reason, number in ledger["not_written"].items() if number}
    if asked and sum(missing.values()) / asked > MUCH_UNWRITTEN:
        listed = ", ".join(f"{words(reason)} {count(number)}" for reason, number in missing.items())
        yield Concern(
            "not-written", "caution", f"{share(sum(missing.values()) / asked)} of the queries asked for never came.",
            f"{listed}.",
            "Raise generation.budget.max_money or max_tokens and run again: only the rest is asked for."
            if "over_budget" in missing
            else "Run the refresh again: answers that came are kept, only the rest is asked for.",
        )  # fmt: skip


def _carried(material: Material) -> Iterator[Concern]:
    """Warn where most of the pool is lost, but not of what leaves it by the pool's own settings."""
    if not material.has("carried", "screening"):
        return
    carry = material.metrics("carry")
    found = carry.get("found", 0)
    if not found:
        return
    lost = Counter(carry["left"]) + Counter(material.metrics("screen")["carried"]["rejected"])
    for reason in OF_THE_POOL:
        del lost[reason]
    count_lost = lost.total()
    if count_lost / found > 1.0 - FEW_CARRIED:
        most = max(lost, key=lambda reason: lost[reason])
        yield Concern(
            "few-carried", "caution",
            f"{share(count_lost / found)} of what earlier intervals wrote was not kept.",
            f"{count(count_lost)} of {counted(found, 'query', 'queries')}; "
            f"{counted(lost[most], 'was', 'were')} lost as {words(most)}.",
            REASONS[most].remedy if most in REASONS else "See under What went in why.",
        )  # fmt: skip


def _log(material: Material) -> Iterator[Concern]:
    metrics = material.metrics("ingest")
    rows, usable = metrics.get("log_rows", 0), metrics.get("log_rows_usable", 0)
    lost = rows - usable - metrics.get("log_rows_outside_window", 0) - metrics.get("log_rows_not_relevant", 0)
    if rows and lost / rows > MANY_REJECTED:
        yield Concern(
            "log", "caution", f"{share(lost / rows)} of the log's rows cannot be used.",
            f"{count(lost)} of {count(rows)} rows.",
            "See the rules and examples under What went in: often a column is misnamed, or ids are written otherwise.",
        )  # fmt: skip


def _sampling(material: Material) -> Iterator[Concern]:
    metrics = material.metrics("sample")
    # Batches that nothing would be gained by are no lack of queries (sampling.stop_gain).
    possible = metrics["batches"] + metrics.get("batches_not_worth_asking", 0) if metrics else 0
    if metrics and possible < metrics["batches_asked_for"]:
        yield Concern(
            "few-batches", "caution",
            f"{count(possible)} of {count(metrics['batches_asked_for'])} batches of demonstrations.",
            f"There are only {counted(metrics['train_queries'], 'train query', 'train queries')}.",
            "Widen source.window_days, or lower sampling.batches.",
        )  # fmt: skip


def _writer(material: Material) -> Iterator[Concern]:
    if material.has("candidates") and material.metrics("generate").get("endpoint") == "embedded":
        yield Concern(
            "embedded-writer", "caution", "The embedded writer wrote the queries, and is no language model.",
            "It recombines the demonstrations by rule, so that everything can be tried without a service: this run "
            "shows how SynAlign works, not what it is worth.",
            "Point generation.endpoint and generation.model at an OpenAI-compatible endpoint.",
        )  # fmt: skip


def _teacher(material: Material) -> Iterator[Concern]:
    metrics = material.metrics("teach")
    if metrics.get("not_scored"):
        over = metrics["over_budget"]
        yield Concern(
            "not-scored", "caution",
            f"{counted(metrics['not_scored'], 'document has', 'documents have')} no score of the teacher.",
            "The ceiling of its budget is reached." if over else "The teacher gave none that can be read.",
            "Raise the ceiling and refresh again: only the rest is asked for. Pairs without scores are learnt without "
            "them." if over else "Pairs without scores are learnt without them; another model may answer better.",
        )  # fmt: skip


def _versions(material: Material) -> Iterator[Concern]:
    made = {step: manifest["versions"].get("synalign", "unknown") for step, manifest in material.manifests.items()}
    if len(set(made.values())) > 1:
        listed = ", ".join(f"{step} {version}" for step, version in made.items())
        yield Concern(
            "versions", "caution", "Steps were made by different versions of SynAlign.", f"{listed}.",
            "Usually nothing: reused steps keep what they are. To have one version throughout, remove the run's folder "
            "and refresh.",
        )  # fmt: skip


RULES: tuple[Callable[[Material], Iterator[Concern]], ...] = (
    _missing, _stale, _checks, _log, _sampling, _writer, _ledger, _carried, _alignment, _narrow, _teacher, _choice,
    _versions,
)  # fmt: skip
