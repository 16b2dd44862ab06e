"""The teacher of the step *teach*, as a run's configuration names it: who scores, and under which ceiling."""

from __future__ import annotations

import hashlib
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from synalign.errors import ConfigurationError, GenerationError, SetupError, SynAlignError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from synalign.config import Budget, Configuration
    from synalign.generation.journal import Journal
    from synalign.run import Run
    from synalign.teaching.teachers import Scorer


@contextmanager
def scorer(run: Run) -> Iterator[Scorer]:
    """Yield the teacher of a run whose configuration names one that scores anew.

    Raises:
        ConfigurationError: Its endpoint needs what the environment does not hold.
        GenerationError: Its endpoint cannot be reached or used.
        SetupError: Its model, or what a local one needs, is missing.
    """
    settings = run.configuration.teacher
    if settings.kind == "cross_encoder":
        from synalign.teaching.teachers import CrossEncoder

        yield CrossEncoder(settings)
        return
    # The client takes a second to import.
    from synalign.generation.journal import Journal
    from synalign.steps.judge import journal_of

    made = _grader if settings.kind == "judge" else _reranker
    with Journal(journal_of(run)) as journal, made(run, journal) as found:
        yield found


def ceiling(configuration: Configuration) -> str:
    """Return the setting under which the teacher spends."""
    if configuration.teacher.kind != "judge":
        return "teacher.budget"
    return "generation.budget" if configuration.screening.judge is None else "screening.judge.budget"


def digests(configuration: Configuration) -> dict[str, str]:
    """Return digests of what a judge as teacher is: its prompt, and its settings, which other sections hold."""
    from synalign.generation.judging import teacher_configuration
    from synalign.prompts.templates import JUDGE, template
    from synalign.run.manifests import canonical

    asked = teacher_configuration(configuration).generation
    # A key may move from one variable to another.
    settings = asked.model_dump(mode="json", exclude={"api_key_variable", "headers_variable"})
    content = canonical({"settings": settings, "seed": configuration.seed})
    return {f"prompts/{JUDGE}": template(JUDGE, configuration).digest, "judge": hashlib.sha256(content).hexdigest()}


@contextmanager
def _reranker(run: Run, journal: Journal) -> Iterator[Scorer]:
    from synalign.generation.endpoint import Endpoint
    from synalign.teaching.budget import RECORD, Budget
    from synalign.teaching.reranker import Reranker
    from synalign.writer.endpoint import api_key

    settings = run.configuration.teacher
    where = Endpoint(str(settings.endpoint), api_key(settings, "teacher"))
    with closing(Budget(settings.budget, run.folder / RECORD, journal)) as budget:
        yield Reranker(run.configuration, where, journal, budget)


@contextmanager
def _grader(run: Run, journal: Journal) -> Iterator[Scorer]:
    from synalign.generation.judging import teacher_configuration
    from synalign.teaching.grader import Grader
    from synalign.writer.endpoint import endpoint

    configuration = teacher_configuration(run.configuration)
    generation = configuration.generation
    left = generation.model_copy(update={"budget": _left(generation.budget, run)})
    try:
        with endpoint(generation) as where:
            yield Grader(configuration.model_copy(update={"generation": left}), where, journal, run.folder)
    except (ConfigurationError, GenerationError, SetupError) as error:
        raise _of_the_teacher(error, run.configuration) from None


def _left(budget: Budget, run: Run) -> Budget:
    """Return what a ceiling leaves when the step before that spends under it has had its part."""
    name = "generate" if run.configuration.screening.judge is None else "screen"
    metrics: dict[str, Any] = (run.manifest(name) or {}).get("metrics", {})
    spent = metrics if name == "generate" else metrics.get("judge", {})
    tokens, money = (spent.get(f"{unit}_at_most") or spent.get(unit) or 0 for unit in ("tokens", "money"))
    return budget.model_copy(
        update={
            "max_tokens": None if budget.max_tokens is None else budget.max_tokens - tokens,
            "max_money": None if budget.max_money is None else budget.max_money - money,
        }
    )


def _of_the_teacher(error: SynAlignError, configuration: Configuration) -> SynAlignError:
    """Return an error of the client or the endpoint that says who asked, and names the section of whom was asked."""
    section = "generation." if configuration.screening.judge is None else "screening.judge."

    def named(text: str) -> str:
        text = text.replace("screening.judge: null", "another teacher.kind").replace("screening.judge.", "generation.")
        return text.replace("generation.", section)

    error.message = f"the judge as teacher: {named(error.message)}"
    error.cause, error.remedy = named(error.cause), named(error.remedy)
    error.args = (error.message,)
    return error
