"""The weighting schemes: what an earlier version called `filtered` is `equal`, wherever it is read."""

import hashlib
import json
import re
from collections.abc import Callable

import pytest

from synalign import changes, flow, tables
from synalign.config import Configuration, schemes
from synalign.report import before_after, retriever, verdict, weights
from synalign.report.material import Material
from synalign.run import Attempt, Interval, Run, manifests
from tests.changes.sets import FIRST, SECOND, Row, finished, real
from tests.formerly import NAMED, as_formerly
from tests.report.runs import made_run

Make = Callable[..., Configuration]
INTERVAL = Interval.parse("2026-02-28", "2026-03-01")


def fingerprint_of_before(run: Run, step: flow.Step) -> str:
    """What the version that called it `filtered` wrote into the manifest."""
    settings = run.configuration.model_dump(mode="json")
    settings["alignment"]["scheme"] = settings["alignment"]["scheme"].replace("equal", "filtered")
    # Its encoder had no prompts and ran on the CPU.
    settings["encoder"] = {name: settings["encoder"][name] for name in ("model", "max_tokens", "precision")}
    # Its teacher had no budget.
    del settings["teacher"]["budget"]
    content = {
        "step": step.name,
        "interval": run.interval.name,
        "settings": {key: value for key, value in settings.items() if key in step.settings},
        "schemas": {table: str(tables.schema(table)) for table in step.writes},
        "format": manifests.FORMAT,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def test_both_names_of_a_setting_are_one_configuration(configuration: Make) -> None:
    old, new = (configuration(alignment={"scheme": name}) for name in ("filtered", "equal"))
    assert old == new
    assert old.alignment.scheme == "equal"
    with pytest.raises(ValueError, match="'equal', 'equal_mass' or 'aligned'"):
        configuration(alignment={"scheme": "unfiltered"})


@pytest.mark.parametrize("step", flow.STEPS, ids=lambda step: step.name)
@pytest.mark.parametrize("scheme", ["filtered", "equal"])
def test_fingerprints_are_those_of_before(configuration: Make, scheme: str, step: flow.Step) -> None:
    run = Run(configuration(alignment={"scheme": scheme}), INTERVAL)
    assert run.fingerprint(step.name) == fingerprint_of_before(run, step)
    default = Run(configuration(), INTERVAL)
    assert (default.fingerprint(step.name) == run.fingerprint(step.name)) == ("alignment" not in step.settings)


def test_finished_steps_of_before_are_reused_whichever_name_the_file_has(configuration: Make) -> None:
    as_formerly(made_run(configuration(alignment={"scheme": "equal"}), scheme="equal"))
    for name in ("filtered", "equal"):
        run = Run(configuration(alignment={"scheme": name}), INTERVAL)
        for step in flow.before("register"):
            outside = run.manifest(step.name)["outside"]  # type: ignore[index]
            assert Attempt(run, step, outside).finished is not None, step.name
            run.require(step.name)


def test_tables_and_manifests_of_before_are_read_with_the_name_of_today(configuration: Make) -> None:
    run = made_run(configuration(), scheme="equal")
    expected = {table: run.read(table) for table in NAMED}
    metrics = {step: run.require(step)["metrics"] for step in ("evaluate", "assemble")}
    as_formerly(run)
    assert "filtered" in (run.folder / "evaluate" / "manifest.json").read_text()
    for table, content in expected.items():
        assert run.read(table).equals(content), table
    for step, found in metrics.items():
        assert run.require(step)["metrics"] == found
    assert run.read("weights", ["weight"]).column_names == ["weight"]


def said(section: object) -> str:
    """All that a section says, without where its objects lie in memory."""
    return re.sub(r"0x[0-9a-f]+", "", str(section))


def test_the_report_of_an_earlier_run_is_the_same(configuration: Make) -> None:
    run = made_run(configuration(), scheme="equal")
    sections = (verdict, retriever, weights, before_after)
    expected = [said(module.section(Material(run))) for module in sections]
    as_formerly(run)
    assert [said(module.section(Material(run))) for module in sections] == expected


def test_a_version_of_before_is_compared_without_a_difference_in_name(configuration: Make) -> None:
    rows = [*real("a", "b", "c"), Row("x")]
    metrics = {name: {"scheme": "equal"} for name in ("evaluate", "assemble")}
    for interval, name in ((FIRST, "equal"), (SECOND, "filtered")):
        run = finished(configuration(alignment={"scheme": name}), interval, rows, metrics=metrics)
        if interval is FIRST:
            as_formerly(run)
    first, second = (changes.side(f"shop/{interval.name}") for interval in (FIRST, SECOND))
    assert first.metrics("assemble") == second.metrics("assemble") == {"scheme": "equal"}
    assert first.configuration == second.configuration
    assert not changes.compare(first, second).differences


def test_sentences_stay_as_they_were_written_since_versions_are_told_apart_by_them() -> None:
    reason = "best of three on 9 validation queries: nDCG@10 0.4, against aligned 0.3, filtered 0.2"
    manifest = {"step": "evaluate", "metrics": {"reason": reason, "scheme": "filtered"}, "settings": {}}
    assert schemes.of_manifest(manifest)["metrics"] == {"reason": reason, "scheme": "equal"}
