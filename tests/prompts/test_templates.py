"""A retriever's own templates: filled, checked, and told apart by a version."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from synalign import retriever_files
from synalign.cli import application
from synalign.config import Configuration, Prompts
from synalign.errors import ConfigurationError
from synalign.generation.attributes import reason_request
from synalign.generation.demonstration_batches import Batch, Document
from synalign.generation.prompts import from_data
from synalign.generation.writing import write_request
from synalign.prompts.templates import digests, prompt_version, used
from tests.generation.test_prompts import ATTRIBUTES, CONFIGURATION


def configured(folder: Path, content: str, kind: str = "write") -> Configuration:
    """Loaded from a YAML file that names a template beside it."""
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "mine.txt").write_text(content)
    file = folder / "shop.yaml"
    file.write_text(
        "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: x}\n"
        f"generation: {{prompts: {{{kind}: prompts/mine.txt}}}}\n"
    )
    return retriever_files.load(file)


MINE = "You write for $count documents, $$5.\n=== user ===\n<data>\n$data\n</data>\nGo.\n"


def test_a_retrievers_own_template_is_filled_and_has_a_version_of_its_own(tmp_path):
    configuration = configured(tmp_path, MINE)
    batch = Batch("b", ("q",), (Document("d", "t", "x"),))
    request = write_request(batch, ATTRIBUTES, configuration)
    assert request.messages[0]["content"] == "You write for 1 documents, $5."
    assert from_data(request.messages[1]["content"])["demonstrations"] == ["q"]
    assert request.prompt_version == hashlib.sha256(MINE.encode()).hexdigest()[:12]
    assert prompt_version("reason", configuration) == prompt_version("reason", CONFIGURATION)
    assert digests(configured(tmp_path, MINE + "!"))["prompts/write"] != digests(configuration)["prompts/write"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("hello\n<data>\n$data\n</data>\n", "one line `=== user ===`, has 0"),
        (MINE + "=== user ===\n", "one line `=== user ===`, has 2"),
        ("=== user ===\n<data>\n$data\n</data>\n", "must have a system message"),
        ("s\n=== user ===\n$data\n", "`$data` 1 times and 0 such lines"),
        ("s\n=== user ===\n<data>\n</data>\n", "`$data` 0 times and 2 such lines"),
        ("s\n=== user ===\n<data>\n$data $data\n</data>\n", "`$data` 2 times"),
        ("s\n=== user ===\n<data>\n$data\n</data>\n<data>\n", "and 3 such lines"),
        ("s\n=== user ===\n</data>\n$data\n<data>\n", "must have `$data` once"),
        ("s\n=== user ===\n<data>\nx $data\n</data>\n", "must have `$data` once"),
        ("s\n=== user ===\n<data>\n$data\n</data>\n$query\n", "has `$query`, must be one of $count"),
        ("s $data\n=== user ===\n<data>\n$data\n</data>\n", "system message has `$data`"),
        ("costs $5\n=== user ===\n<data>\n$data\n</data>\n", "`$$` is a dollar"),
    ],
)
def test_a_template_that_breaks_a_rule_is_a_configuration_error_that_says_which(tmp_path, content, says):
    with pytest.raises(ConfigurationError) as error:
        configured(tmp_path, content)
    assert says in error.value.message and "shop.yaml: generation.prompts.write" in error.value.message


def test_a_missing_template_is_told_by_synalign_check(tmp_path):
    configured(tmp_path, MINE)
    (tmp_path / "prompts" / "mine.txt").unlink()
    result = CliRunner().invoke(application, ["check", str(tmp_path / "shop.yaml")])
    assert isinstance(result.exception, ConfigurationError) and "cannot be read" in result.exception.message
    (tmp_path / "prompts" / "mine.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        retriever_files.load(tmp_path / "shop.yaml")


def test_a_template_named_in_a_configuration_made_by_hand_is_not_passed_over():
    generation = CONFIGURATION.generation.model_copy(update={"prompts": Prompts(reason="mine.txt")})
    with pytest.raises(ConfigurationError, match="was not read"):
        reason_request(Batch("b", ("q",), ()), CONFIGURATION.model_copy(update={"generation": generation}))


def test_the_templates_in_use_are_those_that_the_family_asks_with():
    assert list(used(CONFIGURATION)) == ["reason", "write"]
    small = CONFIGURATION.generation.model_copy(update={"prompts": Prompts(family="small")})
    assert list(used(CONFIGURATION.model_copy(update={"generation": small}))) == ["write"]
