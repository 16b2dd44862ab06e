"""Each family of prompts: its files are there and are templates, and a configuration chooses and changes it."""

from __future__ import annotations

from importlib import resources

import pytest

from synalign.config import Configuration
from synalign.prompts.families import FAMILIES, family
from synalign.prompts.templates import WRITING, parse


def configured(task: str = "retrieval", **generation: object) -> Configuration:
    source = (
        {"kind": "beir", "path": "x"} if task == "retrieval" else {"kind": "labelled", "path": "x", "format": "csv"}
    )
    return Configuration.model_validate(
        {
            "retriever": "r",
            "task": task,
            "schedule": {"start": "2026-01-01"},
            "source": source,
            "generation": generation,
        }
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_a_folder_of_templates_with_a_card(name: str) -> None:
    folder = resources.files("synalign.prompts").joinpath(name)
    for kind in WRITING:
        parse(folder.joinpath(f"{kind}.txt").read_text(encoding="utf-8"), kind, f"{name}/{kind}.txt")
    assert len(folder.joinpath("card.md").read_text(encoding="utf-8")) > 500


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", WRITING)
def test_no_instruction_holds_what_could_be_an_answer(name: str, kind: str) -> None:
    """A small model answers with the examples of its instruction."""
    text = resources.files("synalign.prompts").joinpath(f"{name}/{kind}.txt").read_text(encoding="utf-8").lower()
    for example in ('such as "', "for example", "e.g.", "how to", "3-5 words", "what is"):
        assert example not in text


def test_who_says_nothing_gets_what_suits_the_endpoint() -> None:
    assert family(configured()).name == family(configured(endpoint="https://x.example/v1")).name == "large"
    assert family(configured(endpoint="local")).name == "small"
    assert family(configured(endpoint="local", prompts={"family": "large"})).name == "large"


def test_what_a_configuration_says_otherwise_holds() -> None:
    given = family(configured(endpoint="local", prompts={"shots": 2, "attributes": True, "family": "code"}))
    assert (given.name, given.shots, given.attributes) == ("code", 2, True)
    assert family(configured(prompts={"shots": 0, "attributes": False}))._replace(attributes=True) == FAMILIES["large"]


def test_labels_are_asked_for_in_one_way() -> None:
    assert family(configured("classification", endpoint="local", prompts={"shots": 3})) == FAMILIES["large"]
