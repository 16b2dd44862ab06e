"""A language model as teacher: grades in the order of the documents, NaN where it gives none."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from synalign.config import Configuration
from synalign.generation.endpoint import Endpoint
from synalign.generation.journal import Journal
from synalign.generation.judging import Pair, judge, judge_configuration, teacher_configuration
from synalign.progress import progress
from synalign.storage import Place
from synalign.teaching.grader import Grader
from tests.generation.judges import judging

Make = Callable[..., Configuration]
ASKED = [("a", [("T", "one"), ("", "two"), ("", "\u732b")]), ("b", []), ("c", [("T", "one")])]
GRADES = {"one": 3, "two": 0, "\u732b": 1}


def made(configuration: Make, url: str, **others: Any) -> Configuration:
    own = {"endpoint": url, "model": "m", "api_key_variable": None}
    runtime = {"concurrency": 2, "attempts": 1, "timeout_seconds": 10}
    return configuration(teacher={"kind": "judge"}, screening={"judge": own}, runtime=runtime, **others)


def test_grades_are_scores_and_a_silent_model_leaves_a_gap(configuration: Make, tmp_path: Path) -> None:
    with judging(lambda query, text: "I cannot say" if text == "two" else GRADES[text]) as server:
        asked = teacher_configuration(made(configuration, server.url))
        with Journal(tmp_path / "journal") as journal, progress("teach", 3, "pairs") as advance:
            grader = Grader(asked, Endpoint(server.url, ""), journal, Place(tmp_path))
            first, none, last = (each.tolist() for each in grader.scores(ASKED, advance))
    assert (first[0], first[2], none, last) == (3.0, 1.0, [], [3.0])
    assert math.isnan(first[1])
    assert {"requests": 4, "not_scored": 1, "over_budget": 0}.items() <= grader.spent.items()
    assert grader.spent["tokens"] > 0


def test_what_the_judge_graded_in_the_screen_is_not_asked_again(configuration: Make, tmp_path: Path) -> None:
    with judging(lambda query, text: GRADES[text]) as server:
        whole = made(configuration, server.url)
        where = Endpoint(server.url, "")
        with Journal(tmp_path / "journal") as journal, progress("teach", 3, "pairs") as advance:
            judge([Pair("id", "a", "T", "one")], judge_configuration(whole), where, journal, Place(tmp_path))
            grader = Grader(teacher_configuration(whole), where, journal, Place(tmp_path))
            grader.scores(ASKED, advance)
    assert len(server.pairs) == 4
    assert grader.spent["journal_hits"] == 1
    # The teacher's own, without the judge's.
    assert grader.spent["tokens"] == 3 * 105


def test_nothing_asked_is_nothing_sent(configuration: Make, tmp_path: Path) -> None:
    asked = teacher_configuration(made(configuration, "http://127.0.0.1:9/v1"))
    with Journal(tmp_path / "journal") as journal, progress("teach", 0, "pairs") as advance:
        grader = Grader(asked, Endpoint("http://127.0.0.1:9/v1", ""), journal, Place(tmp_path))
        assert grader.scores([], advance) == []
        assert [each.tolist() for each in grader.scores([("q", [])], advance)] == [[]]


def test_without_a_judge_the_writer_is_asked_as_judges_are(configuration: Make) -> None:
    writing = {"endpoint": "http://127.0.0.1:9/v1", "model": "w", "max_output_tokens": 4096, "temperature": 0.9}
    asked = teacher_configuration(configuration(teacher={"kind": "judge"}, generation=writing)).generation
    assert (asked.model, asked.temperature, asked.max_output_tokens, asked.document_characters) == ("w", 0.0, 512, 2000)
