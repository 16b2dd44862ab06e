import pytest

from synalign import config, flow, tables
from synalign.errors import RunError


def test_every_table_is_written_once_by_an_earlier_step_than_those_that_read_it() -> None:
    written: list[str] = []
    for step in flow.STEPS:
        assert set(step.reads) <= set(written), step.name
        assert not set(step.writes) & set(written), step.name
        written += step.writes
    assert set(written) == set(tables.SCHEMAS)


def test_every_setting_that_defines_data_is_in_some_step_and_no_runtime_setting_is() -> None:
    used = {key for step in flow.STEPS for key in step.settings}
    # Experiments and trainings have DAGs of their own; no training set depends on them.
    others = {"description", "owner", "schedule", "runtime", "experiment", "training", "airflow", "alerts"}
    defining = set(config.Configuration.model_fields) - others
    assert used == defining


def test_an_unknown_step_or_table_is_named() -> None:
    with pytest.raises(RunError, match="step == 'embeds'"):
        flow.step("embeds")
    with pytest.raises(RunError, match="table == 'pear'"):
        flow.writer("pear")


def test_upstream_follows_the_tables() -> None:
    assert flow.upstream("embed_candidates") == {"generate"}
    assert flow.upstream("ingest") == set()


def test_before_gives_the_steps_that_must_be_done_first_in_order() -> None:
    assert flow.before("ingest") == ()
    assert [step.name for step in flow.before("sample")] == ["ingest", "carry", "embed"]
    assert flow.before("report")[-1].name == "register"
    with pytest.raises(RunError, match="step == 'embeds'"):
        flow.before("embeds")


def test_a_step_may_wait_for_one_that_writes_no_table() -> None:
    assert "register" in flow.upstream("report")
    for step in flow.STEPS:
        assert set(step.after) <= {earlier.name for earlier in flow.before(step.name)}
