"""`docs/operating.md` has every error a user can meet, and nothing that nobody can meet any more."""

import re
from functools import cache

import pytest

from synalign.errors import exit_code
from synalign.screening.reasons import LEAVING, REJECTING
from tests.docs.errors_in_code import BLANK, CLASSES, Raised, raised, texts
from tests.docs.pages import ROOT, code, rows

PAGE = ROOT / "docs" / "operating.md"

HANDED_ON = {
    "synalign/orchestration/alerts.py": "alerts.notifiers: notifier == …, cannot be imported: ….",
    "synalign/orchestration/placement.py": "airflow.steps.….run == 'pod', … must be a process.",
    "synalign/doctor/airflow.py": "Airflow cannot use its database: …",
    "synalign/doctor/machine.py": "…; Spark needs Java … or newer.",
    "synalign/doctor/spark.py": "Spark did not count … rows within … s",
    "synalign/doctor/storage.py": "runtime.journal == …, cannot be used: …",
    "synalign/experiment/plan.py": "… is missing, it is required…",
    "synalign/generation/client.py": "… says that the quota is exhausted: this is about billing, not speed.",
    "synalign/orchestration/engines/settings.py": "… == …, is not a known setting…",
    "synalign/prompts/templates.py": "…, must have a system message before the line …",
    "synalign/retriever_files.py": "… == …, is not a known setting…",
    "synalign/spark/session.py": "…; Spark needs Java … or newer.",
    "synalign/querylog/unreadable.py": "…: is not readable …: ….",
}
"""Where an error hands a message on that was made elsewhere: one of the messages that it can be."""


@cache
def patterns() -> dict[str, list[str]]:
    """Messages on the page by class of error."""
    found: dict[str, list[str]] = {}
    for heading, cells in rows(PAGE):
        for name in set(re.findall(r"\w+Error", heading)):
            if message := code(cells[0]):
                found.setdefault(name, []).append(message)
    return found


def matches(pattern: str, text: str) -> bool:
    """Whether a message on the page stands for one in the code; `…` stands for anything."""
    parts = pattern.split(BLANK)
    # Most texts are told apart by one look at the longest part.
    return max(parts, key=len) in text and re.fullmatch(".*".join(map(re.escape, parts)), text, re.DOTALL) is not None


def is_told(error: Raised) -> bool:
    """Whether the page has an error under its class."""
    known = patterns().get(error.name, [])
    if not error.is_fixed:
        return HANDED_ON.get(error.file, "") in known
    return any(matches(pattern, error.message) for pattern in known)


def test_every_error_in_the_code_is_on_the_page() -> None:
    missing = [f"{error.file}:{error.line} {error.name}: {error.message}" for error in raised() if not is_told(error)]
    assert not missing, "docs/operating.md says nothing of\n" + "\n".join(missing)
    assert len(raised()) > 100


def test_every_message_on_the_page_is_in_the_code() -> None:
    stale = [
        pattern
        for known in patterns().values()
        for pattern in known
        if not any(matches(pattern, text) for text in texts())
    ]
    assert not stale, stale


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_stands_there_with_its_exit_code(name: str) -> None:
    code = CLASSES[name].exit_code
    told = {class_: (cells[0], cells[3]) for cells in table("Exit codes") for class_ in names(cells[1])}
    assert told[name] == (str(code), exit_code(code).then)
    assert f"(exit code {code})" in PAGE.read_text()


def test_a_message_that_nobody_wrote_down_is_noticed() -> None:
    assert not is_told(Raised("synalign/run.py", 1, "RunError", "… has hiccups."))
    assert not is_told(Raised("synalign/run.py", 1, "RunError", BLANK))
    assert not is_told(Raised("synalign/run.py", 1, "InputError", "… is not finished."))


def test_every_reason_of_the_ledger_is_explained() -> None:
    assert [reason for cells in table("The ledger") for reason in names(cells[0])] == list(REJECTING)


def test_every_reason_to_leave_a_carried_query_behind_is_explained() -> None:
    assert [reason for cells in table("Carried queries") for reason in names(cells[0])] == list(LEAVING)


def test_every_rule_of_ingest_is_explained() -> None:
    told = {rule for cells in table("Rejected rows") for rule in names(cells[0])}
    assert told == set(re.findall(r'Rule\(\s*"(\w+)"', (ROOT / "synalign" / "querylog" / "rules.py").read_text()))


def table(heading: str) -> list[list[str]]:
    """Cells of the table under a heading."""
    return [cells for above, cells in rows(PAGE) if above == heading]


def names(cell: str) -> list[str]:
    """What stands in `code` in a cell."""
    return re.findall(r"`(\w+)`", cell)
