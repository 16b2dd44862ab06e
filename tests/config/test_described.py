"""The settings in words, against the models themselves and against what these accept."""

from __future__ import annotations

import re
import types
import typing
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from synalign.config import BeirSource, Configuration, LabelledSource, LogSource, UbiSource, described

MODELS = {"log": LogSource, "ubi": UbiSource, "beir": BeirSource, "labelled": LabelledSource}
BOUNDS = (
    (re.compile(r"from (-?[\d,.e-]+) to ([\d,.e-]+)"), (True, True)),
    (re.compile(r"from (-?[\d,.e-]+), below ([\d,.e-]+)"), (True, False)),
    (re.compile(r"above (-?[\d,.e-]+), up to ([\d,.e-]+)"), (False, True)),
    (re.compile(r"above (-?[\d,.e-]+), below ([\d,.e-]+)"), (False, False)),
    (re.compile(r"from (-?[\d,.e-]+) up"), (True, True)),
    (re.compile(r"above (-?[\d,.e-]+)"), (False, True)),
)


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Every model that a field's type mentions."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in typing.get_args(annotation) for model in models_in(part)]


def keys(model: type[BaseModel], source: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Key to description, walked over the models and not over their JSON schema."""
    found = {}
    for name, field in model.model_fields.items():
        inner = [source] if name == "source" else models_in(field.annotation)
        each = {tuple: "[]", dict: ".*"}.get(typing.get_origin(field.annotation), "")
        if each or not inner:
            found[f"{prefix}{name}"] = field.description or ""
        for section in inner:
            found |= keys(section, source, f"{prefix}{name}{each}.")
    return found


def flat(settings: tuple[described.Setting, ...]) -> dict[str, described.Setting]:
    found = {}
    for setting in settings:
        if not setting.parts:
            found[setting.key] = setting
        found |= flat(setting.parts) | flat(setting.each)
    return found


@pytest.mark.parametrize("kind", described.SOURCES)
def test_every_field_of_the_configuration_is_a_setting_with_a_description(kind: str) -> None:
    told, there = flat(described.settings(kind)), keys(Configuration, MODELS[kind])
    assert set(told) == set(there)
    assert {key for key, text in there.items() if len(text) < 5} == set()
    assert all(there[key] in setting.about for key, setting in told.items())


@pytest.mark.parametrize("kind", described.SOURCES)
def test_every_section_says_what_it_is_and_every_value_which_it_takes(kind: str) -> None:
    def look(settings: tuple[described.Setting, ...]) -> None:
        for setting in settings:
            assert setting.about, setting.key
            assert bool(setting.rule) != bool(setting.parts), setting.key
            look(setting.parts + setting.each)

    look(described.settings(kind))


@pytest.mark.parametrize("kind", described.SOURCES)
def test_what_is_required_has_an_example_or_a_rule_that_says_it(kind: str) -> None:
    bare = [s.key for s in flat(described.settings(kind)).values() if s.required and s.example is None]
    assert bare == ["source.kind"]


def minimal(kind: str) -> dict[str, Any]:
    sources = {
        "log": {"kind": "log", "path": "log", "documents": {"path": "documents"}},
        "ubi": {"kind": "ubi", "path": "events", "queries": {"path": "queries"}, "documents": {"path": "documents"}},
        "beir": {"kind": "beir", "path": "folder"},
        "labelled": {"kind": "labelled", "path": "texts"},
    }
    task = "classification" if kind == "labelled" else "retrieval"
    return {"retriever": "shop", "task": task, "schedule": {"start": "2026-01-01"}, "source": sources[kind]}


def out_of_bounds(key: str, value: float) -> bool:
    """Whether the configuration refuses a value for its size."""
    content = minimal("log")
    content["experiment"] = {"exposures": "e", "outcomes": "o"}
    *sections, name = key.split(".")
    place = content
    for section in sections:
        place = place.setdefault(section, {})
    place[name] = value
    try:
        Configuration.model_validate(content)
    except ValidationError as error:
        kinds = {each["type"] for each in error.errors() if each["loc"][-1] == name}
        return bool(kinds & {"greater_than", "greater_than_equal", "less_than", "less_than_equal"})
    return False


def numbers() -> list[tuple[str, str]]:
    settings = flat(described.settings("log")).values()
    return [(each.key, each.rule) for each in settings if each.rule.startswith(("number", "whole number"))]


@pytest.mark.parametrize(("key", "rule"), numbers())
def test_bounds_in_words_are_those_that_hold(key: str, rule: str) -> None:
    match, closed = next((found, closed) for pattern, closed in BOUNDS if (found := pattern.search(rule)))
    step = 1 if rule.startswith("whole") else 1e-9
    limits = [float(text.replace(",", "")) for text in match.groups()]
    for limit, inside, outward in zip(limits, closed, (-1, 1), strict=False):
        beyond = limit + outward * step * max(1.0, abs(limit))
        assert out_of_bounds(key, int(beyond) if step == 1 else beyond), f"{key}: {beyond} must be refused"
        assert out_of_bounds(key, int(limit) if step == 1 else limit) is not inside, f"{key}: {limit}"


def test_many_numbers_are_bounded() -> None:
    """The test above would pass if no rule began with `number`."""
    assert len(numbers()) > 35


def test_words_of_a_choice_are_those_that_the_configuration_takes() -> None:
    rules = {key: setting.rule for key, setting in flat(described.settings("log")).items()}
    assert rules["generation.targets"] == "`cold`, `demonstrated` or `mixed`"
    assert rules["runtime.journal"] == "text, or `null`"
    assert rules["generation.prompts.family"] == "`auto`, `large`, `small` or `code`"
    assert rules["alerts.notifiers"] == "list of sections"
    assert rules["schedule.start"].startswith("day, such as ")
