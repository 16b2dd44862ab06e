"""The teacher that a configuration names: under which ceiling it spends, and what decides that it scores again."""

from collections.abc import Callable

import pytest

from synalign.config import Configuration
from synalign.run import Run
from synalign.steps import teacher
from synalign.steps.teach import outside
from tests.steps.test_teach import COSINES, INTERVAL, judge_of, prepared

Make = Callable[..., Configuration]
RERANK = {"kind": "rerank", "model": "m", "endpoint": "http://127.0.0.1:9/v1"}
WRITER = {"endpoint": "http://127.0.0.1:9/v1", "model": "m", "api_key_variable": None}


def test_a_ceiling_is_named_by_whose_it_is(configuration: Make) -> None:
    assert teacher.ceiling(configuration(teacher=RERANK)) == "teacher.budget"
    assert teacher.ceiling(judge_of(configuration, "http://127.0.0.1:9/v1")) == "screening.judge.budget"
    assert teacher.ceiling(configuration(teacher={"kind": "judge"}, generation=WRITER)) == "generation.budget"


def test_what_screening_spent_of_the_judges_ceiling_is_not_there_for_teaching(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    run = prepared(judge_of(configuration, "http://127.0.0.1:9/v1", max_tokens=500, max_money=2.0), commit, COSINES)
    run.manifest = lambda step: {"metrics": {"judge": {"tokens": 420, "money": 0.5}}}  # type: ignore[method-assign]
    left = teacher._left(run.configuration.screening.judge.budget, run)  # type: ignore[union-attr]
    assert (left.max_tokens, left.max_money) == (80, 1.5)


@pytest.mark.parametrize(
    ("metrics", "left"),
    [({"tokens": 300, "money": 0.5}, 200), ({"tokens": None, "tokens_at_most": 450}, 50), ({}, 500)],
)
def test_what_the_writer_can_have_spent_is_not_there_for_teaching(
    configuration: Make, commit: Callable[..., Run], metrics: dict[str, int], left: int
) -> None:
    made = configuration(teacher={"kind": "judge"}, generation={**WRITER, "budget": {"max_tokens": 500}})
    run = prepared(made, commit, COSINES)
    run.manifest = lambda step: {"metrics": metrics} if step == "generate" else None  # type: ignore[method-assign]
    assert teacher._left(made.generation.budget, run).max_tokens == left


def test_a_judges_settings_decide_whether_its_grades_are_made_again(
    configuration: Make, commit: Callable[..., Run]
) -> None:
    first = outside(Run(judge_of(configuration, "http://127.0.0.1:9/v1"), INTERVAL))
    assert first == outside(Run(judge_of(configuration, "http://127.0.0.1:9/v1"), INTERVAL))
    assert first != outside(Run(judge_of(configuration, "http://127.0.0.1:9/v1", max_tokens=5), INTERVAL))
    assert set(first) == {"judge", "prompts/judge"}
