"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the checkout: what is added appears everywhere.

No JVM is started. Airflow is, to parse the DAG files.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

CODE = ("synalign", "dags", "jobs")


class Copy:
    """A copy of the checkout, to change.

    Args:
        folder: Where to put it.
    """

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        for name in filter(None, subprocess.check_output(listing, cwd=ROOT, text=True).split("\0")):
            if (ROOT / name).is_file():
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        self._before = self._digests()

    def write(self, name: str, text: str) -> None:
        """Make a file that is not there yet."""
        assert not (self.root / name).exists(), name
        (self.root / name).write_text(text, encoding="utf-8")

    def insert(self, name: str, text: str, before: str) -> None:
        """Put text into a file, before the one place that has `before`."""
        content = (self.root / name).read_text(encoding="utf-8")
        assert content.count(before) == 1, f"{name} has {before!r} {content.count(before)} times"
        (self.root / name).write_text(content.replace(before, text + before), encoding="utf-8")

    @property
    def path(self) -> str:
        """Where Python looks for modules: here first, then where it does anyway."""
        return os.pathsep.join([str(self.root), *filter(None, [os.environ.get("PYTHONPATH")])])

    def python(self, code: str, **variables: str) -> str:
        """Run a program that imports from the copy; gives what it printed."""
        home = self.root.parent / "home"
        environment = {**os.environ, "PYTHONPATH": self.path, "SYNALIGN_HOME": str(home), **variables}
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=self.root, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def touched(self) -> set[str]:
        """Files of code that are new or changed."""
        return {name for name, digest in self._digests().items() if self._before.get(name) != digest}

    def _digests(self) -> dict[str, str]:
        files = [path for folder in CODE for path in (self.root / folder).rglob("*.py")]
        return {str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def block(begins: str) -> str:
    """The block of CONTRIBUTING.md that has a text."""
    (found,) = [each.text for each in blocks(ROOT / "CONTRIBUTING.md") if begins in each.text]
    return found


FILTERED = """
from pathlib import Path
from synalign.config import Configuration
from synalign.generation.ledger import ledger_figures, whole_ledger
from synalign.report import flow_table, warnings
from synalign.report.material import Material
from synalign.steps.job import perform
from synalign.steps.screen import screen
from tests.docs.pages import tokens
from tests.docs.test_operating import test_every_reason_of_the_ledger_is_explained as explained
from tests.report.runs import made_run
from tests.screening.runs import run_with

source = {"kind": "log", "path": "l", "format": "jsonl", "documents": {"path": "d", "format": "jsonl"}}
def shop(name, **sections):
    return Configuration.model_validate(
        {"retriever": name, "schedule": {"start": "2026-01-01"}, "source": source, **sections})

run = run_with(shop("screened"), [("two words", 5, "d0"), ("word", 15, "d0"), ("WORD", 5, "d0")])
metrics = perform(run, "screen", screen)["metrics"]
assert metrics["rejected"] == {"single_word": 2}, metrics
assert run.read("screening")["reason"].to_pylist() == [None, "single_word", "single_word"]

ledger = {"asked_for": 3, "accepted": 3, "rejected": {}, "not_written": {}, "surplus": {}}
figures = ledger_figures(whole_ledger({"ledger": ledger}, metrics))
assert figures["rejected.single_word"] == 2 and "rejected.leak" in figures

examples = {"single_word": [{"query": "word", "document_id": "d1", "score": 1.0}]}
rejected = {"single_word": 100, "leak": 1}
material = Material(made_run(shop("told"), solved=False, changed={
    "generate": {"ledger": ledger | {"asked_for": 120, "accepted": 120}},
    "screen": {"candidates": 120, "accepted": 19, "rejected": rejected, "examples": examples}}))
parts = {part.name: part for each in flow_table.section(material).content["sums"] for part in each.parts}
part = parts["rejected: single word"]
assert (part.why, part.examples[0].note) == ("has a single word", "1 word, for d1"), part
(few,) = [each for each in warnings.warnings_of(material) if each.id == "few-accepted"]
assert few.remedy == "Ask for longer queries (generation.prompts)."

try:
    explained()
except AssertionError:
    page, last = Path("docs/operating.md"), "| `exact_duplicate`, `near_duplicate` |"
    page.write_text(page.read_text().replace(last, "| `single_word` | it has one word |\\n" + last))
    tokens.cache_clear()
    explained()
else:
    raise AssertionError("nobody noticed that the page has no line of it")
"""


@pytest.mark.slow
def test_a_screening_filter(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    copy.write("synalign/screening/single_word.py", block("def single_word"))
    copy.insert("synalign/screening/reasons.py", block('"single_word", "screen"'), "    # Duplicates of an earlier")
    assert copy.touched() == {"synalign/screening/single_word.py", "synalign/screening/reasons.py"}
    copy.python(FILTERED)


STEPPED = """
from pathlib import Path
from synalign.config import Configuration, reference
from synalign.report import flow_table
from synalign.report.material import Material
from synalign.steps.job import perform
from synalign.steps.novelty import novelty
from tests.report.runs import made_run

source = {"kind": "log", "path": "l", "format": "jsonl", "documents": {"path": "d", "format": "jsonl"}}
settings = {"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": source}
run = made_run(Configuration.model_validate(settings), until="novelty")
perform(run, "novelty", novelty)
assert perform(run, "novelty", novelty)["reused"]
assert run.read("novelty").column_names == ["candidate_id", "new_words"]
shown = {row.name: row for row in flow_table.section(Material(run)).content["steps"]}
assert (shown["novelty"].state, shown["align"].state) == ("done", "missing")
assert shown["novelty"].wrote == "120 novelty", shown["novelty"]
# `make docs`, for `airflow.steps` names every step; nothing else is different.
pages = reference.page().splitlines(), Path("docs/configuration.md").read_text().splitlines()
(changed,) = [line for line, before in zip(*pages, strict=True) if line != before]
assert changed.startswith("| `airflow.steps` |") and "`novelty`" in changed, changed
"""

DRAWN = """
from pathlib import Path
from airflow.dag_processing.dagbag import DagBag
bag = DagBag("dags")
assert not bag.import_errors, bag.import_errors
dag = bag.dags["refresh__shop"]
task = dag.get_task("novelty")
assert task.upstream_task_ids == {"generate"}, task.upstream_task_ids
assert "*novelty*: how many words of a written query no real query has" in task.doc_md
assert "*queries* (from ingest): distinct real queries" in task.doc_md
assert "**Out of memory**: read the tables in parts." in task.doc_md
assert "jobs/novelty.py" in task.doc_md
assert task.task_group.group_id == "weighing"
assert "novelty" in dag.doc_md
"""


@pytest.mark.airflow
def test_a_step(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    copy.insert("synalign/flow.py", block('"novelty", "novelty"'), '    Step(\n        "align"')
    copy.insert("synalign/tables.py", block('"novelty": _schema'), '    "weights": _schema(')
    copy.write("synalign/steps/novelty.py", block("def novelty"))
    job = (copy.root / "jobs" / "align.py").read_text(encoding="utf-8")
    copy.write("jobs/novelty.py", '"""Count new words."""\n' + job.partition("\n")[2].replace('"align"', '"novelty"'))
    assert copy.touched() == {"synalign/flow.py", "synalign/tables.py", "synalign/steps/novelty.py", "jobs/novelty.py"}
    copy.python(STEPPED)
    called = subprocess.run(
        [sys.executable, "jobs/novelty.py", "--help"], cwd=copy.root, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": copy.path},
    )  # fmt: skip
    assert "Counts the words of written queries" in called.stdout
    (tmp_path / "retrievers").mkdir()
    (tmp_path / "retrievers" / "shop.yaml").write_text(
        "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: x}\n"
    )
    copy.python(
        DRAWN,
        AIRFLOW_HOME=str(tmp_path / "airflow"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{tmp_path / 'airflow.db'}",
        SYNALIGN_RETRIEVERS=str(tmp_path / "retrievers"),
    )
