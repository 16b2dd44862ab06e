"""Settings of one run: only some, checked as the file is, and nothing where nothing was changed."""

import json
from pathlib import Path

import pytest

from synalign import retriever_files
from synalign.config import Configuration, overrides
from synalign.errors import ConfigurationError

YAML = """
retriever: shop
schedule: {start: 2026-01-01}
source: {kind: log, path: log, documents: {path: documents}, window_days: 14}
sampling: {batches: 8}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(YAML)
    return path


@pytest.fixture
def form(file: Path) -> list[overrides.Field]:
    return overrides.fields(retriever_files.load(file))


def test_the_form_shows_what_the_file_says(form: list[overrides.Field]) -> None:
    said = {field.key: field.value for field in form}
    assert (said["source.window_days"], said["sampling.batches"], said["evaluation.seeds"]) == (14, 8, 3)
    assert all(field.description for field in form)


def test_every_key_of_the_form_is_a_setting_with_rules(form: list[overrides.Field]) -> None:
    assert [field.key for field in form] == [key for keys in overrides.SETTINGS.values() for key in keys]
    rules = {field.key: field.schema for field in form}
    assert rules["sampling.batches"] == {"type": "integer", "minimum": 1, "maximum": 100_000}
    assert rules["generation.targets"]["enum"] == ["cold", "demonstrated", "mixed"]
    assert rules["generation.budget.max_money"] == {"type": ["number", "null"], "exclusiveMinimum": 0.0}


def test_a_source_without_times_has_no_window_in_its_form() -> None:
    beir = {"retriever": "r", "schedule": {"start": "2026-01-01"}, "source": {"kind": "beir", "path": "x"}}
    keys = [field.key for field in overrides.fields(Configuration.model_validate(beir))]
    assert "source.window_days" not in keys
    assert "sampling.batches" in keys


def test_an_unchanged_form_changes_nothing(form: list[overrides.Field]) -> None:
    assert overrides.changed(form, {field.key: field.value for field in form}) == ""


def test_a_changed_form_says_only_what_was_changed(form: list[overrides.Field]) -> None:
    values = {field.key: field.value for field in form} | {"sampling.batches": 3, "generation.budget.max_tokens": 900}
    assert json.loads(overrides.changed(form, values)) == {"sampling.batches": 3, "generation.budget.max_tokens": 900}


def test_a_key_that_is_no_field_is_not_dropped_in_silence(form: list[overrides.Field], file: Path) -> None:
    changed = json.loads(overrides.changed(form, {"samplng.batches": 3}))
    with pytest.raises(ConfigurationError, match=r"setting of this run == 'samplng.batches', must be one of"):
        retriever_files.load(file, changed)


def test_overrides_take_the_place_of_the_files_settings(file: Path) -> None:
    found = retriever_files.load(file, {"sampling.batches": 3, "generation.budget.max_tokens": 900, "seed": 5})
    plain = retriever_files.load(file)
    assert (found.sampling.batches, found.generation.budget.max_tokens, found.seed) == (3, 900, 5)
    assert (plain.sampling.batches, plain.generation.budget.max_tokens, plain.seed) == (8, None, 0)
    assert found.source == plain.source


@pytest.mark.parametrize(
    ("override", "rule"),
    [
        ({"sampling.batches": 0}, "sampling.batches == 0, must be a whole number from 1 to 100,000"),
        ({"sampling.batches": "many"}, "sampling.batches == 'many', must be a whole number from 1 to 100,000"),
        # A rule between two settings, one of them the file's.
        ({"generation.budget.max_money": 5}, "max_money needs input_price or output_price"),
    ],
)
def test_overrides_are_checked_by_the_same_rules_and_named(file: Path, override: dict, rule: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        retriever_files.load(file, override)
    assert f"shop.yaml with this run's {next(iter(override))}" in caught.value.message
    assert rule in caught.value.message


@pytest.mark.parametrize("key", ["retriever", "source.path", "generation.redact", "checks", "generation.endpoint"])
def test_what_a_retriever_is_cannot_be_changed_for_one_run(file: Path, key: str) -> None:
    with pytest.raises(ConfigurationError, match="must be one of"):
        retriever_files.load(file, {key: "x"})


def test_a_damaged_section_is_told_as_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(YAML.replace("sampling: {batches: 8}", "sampling: 8"))
    with pytest.raises(ConfigurationError, match=r"sampling == 8"):
        retriever_files.load(path, {"sampling.batches": 3})


def test_a_job_reads_them_from_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(overrides.VARIABLE, raising=False)
    assert overrides.from_environment() == {}
    monkeypatch.setenv(overrides.VARIABLE, "")
    assert overrides.from_environment() == {}
    monkeypatch.setenv(overrides.VARIABLE, '{"seed": 3}')
    assert overrides.from_environment() == {"seed": 3}
    for text in ("{", "[1]", "3"):
        monkeypatch.setenv(overrides.VARIABLE, text)
        with pytest.raises(ConfigurationError, match=f"{overrides.VARIABLE} == .*must be a JSON object"):
            overrides.from_environment()
