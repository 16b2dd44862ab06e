"""The first file: what a person fills in makes it right, and so does every setting that is uncommented."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from synalign import retriever_files
from synalign.config import Configuration
from synalign.config.described import SOURCES, settings
from synalign.config.draft import draft, to_fill_in
from synalign.errors import ArgumentError, ConfigurationError

VALUES = {
    "retriever": "shop",
    "schedule.start": "2026-01-01",
    "source.path": "data/x",
    "source.documents.path": "data/d",
    "source.queries.path": "data/q",
}


def filled(text: str) -> str:
    """The text with every line `key: # to fill in` given a value, by the keys above it."""
    lines, path = [], []
    for line in text.splitlines():
        match = re.match(r"( *)([a-z_]+):", line)
        if match:
            path = [*path[: len(match[1]) // 2], match[2]]
            if "# to fill in" in line:
                line = f"{match[0]} {VALUES['.'.join(path)]}"
        lines.append(line)
    return "\n".join(lines) + "\n"


def uncommented(text: str) -> str:
    """What an editor makes of it: one `# ` less on every line that is not an explanation."""
    return re.sub(r"^( *)# ", r"\1", text, flags=re.MULTILINE)


def load(text: str, folder: Path) -> Configuration:
    path = folder / "shop.yaml"
    path.write_text(text)
    return retriever_files.load(path)


def minimal(kind: str) -> Configuration:
    source: dict[str, Any] = {"kind": kind, "path": "data/x"}
    if kind in ("log", "ubi"):
        source["documents"] = {"path": "data/d"}
    if kind == "ubi":
        source["queries"] = {"path": "data/q"}
    task = {"task": "classification"} if kind == "labelled" else {}
    return Configuration.model_validate(
        {"retriever": "shop", "schedule": {"start": "2026-01-01"}, "source": source, **task}
    )


@pytest.mark.parametrize("kind", SOURCES)
def test_unfilled_it_is_refused_with_exactly_the_keys_to_fill_in(kind: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(draft(kind), tmp_path)
    named = [re.search(r": ([a-z_.]+) ", line)[1] for line in error.value.message.splitlines()]  # type: ignore[index]
    assert named == to_fill_in(kind)
    assert f"To fill in: {', '.join(named)}." in draft(kind)


@pytest.mark.parametrize("kind", SOURCES)
def test_filled_in_it_is_right_and_says_nothing_else(kind: str, tmp_path: Path) -> None:
    assert load(filled(draft(kind)), tmp_path) == minimal(kind)
    assert load(filled(draft(kind, "shop")), tmp_path) == minimal(kind)


def unset(model: BaseModel, prefix: str = "") -> list[str]:
    """Fields that a file did not give."""
    found = [f"{prefix}{name}" for name in set(type(model).model_fields) - model.model_fields_set]
    for name in type(model).model_fields:
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            found += unset(value, f"{prefix}{name}.")
    return found


@pytest.mark.parametrize("kind", SOURCES)
def test_uncommented_as_a_whole_it_gives_every_setting_its_default(kind: str, tmp_path: Path) -> None:
    loaded = load(uncommented(filled(draft(kind))), tmp_path)
    assert unset(loaded) == []
    assert loaded.model_copy(update={"experiment": None}) == minimal(kind)
    assert loaded.experiment is not None
    assert loaded.experiment.exposures == "data/shop/exposures"


OFF = ("screening.judge.", "training.lora.")
"""Settings of sections that are off: each stands there as null, or else its block would switch it on."""

OPTIONAL = [setting.key for setting in settings() if not setting.required]


@pytest.mark.parametrize("name", OPTIONAL)
def test_any_block_can_be_uncommented_alone(name: str, tmp_path: Path) -> None:
    blocks = filled(draft("log")).split("\n\n")
    mine = [place for place, block in enumerate(blocks) if re.search(rf"^# {name}:", block, re.MULTILINE)]
    assert len(mine) == 1
    blocks[mine[0]] = uncommented(blocks[mine[0]])
    loaded = load("\n\n".join(blocks), tmp_path)
    assert name in loaded.model_fields_set
    assert loaded.model_copy(update={"experiment": None}) == minimal("log")


def test_one_setting_can_be_changed_by_hand(tmp_path: Path) -> None:
    text = filled(draft("log", "shop"))
    for line, changed in (("# sampling:", "sampling:"), ("#   batches: 24", "  batches: 60")):
        assert text.count(f"\n{line}\n") == 1
        text = text.replace(f"\n{line}\n", f"\n{changed}\n")
    assert load(text, tmp_path).sampling.batches == 60


@pytest.mark.parametrize("kind", SOURCES)
def test_every_setting_stands_there_once_with_what_it_is(kind: str) -> None:
    told = re.sub(r"\s*\n *(# +)?## +", " ", draft(kind))
    values = [value for setting in settings(kind) for value in setting.values() if not value.key.startswith(OFF)]
    for value in values:
        assert value.about in told, value.key
    # A section may have the name of a setting; a setting has a value on its line.
    named = re.findall(r"^[ #]*?([a-z_]+): ", re.sub(r".*##.*", "", draft(kind)), re.MULTILINE)
    wanted = Counter(value.name for value in values)
    assert Counter(name for name in named if name in wanted) == wanted
    sections = yaml.safe_load(uncommented(filled(draft(kind))))
    assert list(sections) == [setting.name for setting in settings(kind)]


@pytest.mark.parametrize("kind", SOURCES)
def test_no_line_is_too_long_to_read(kind: str) -> None:
    assert max(map(len, draft(kind).splitlines())) <= 120


def test_a_kind_that_there_is_not_is_named() -> None:
    with pytest.raises(ArgumentError, match="source == 'lgo', must be one of log, ubi, beir, labelled"):
        draft("lgo")


def test_a_section_that_is_off_is_named_and_not_switched_on_by_its_block() -> None:
    lines = draft("log").splitlines()
    assert "#   judge: null" in lines and "#   lora: null" in lines
    assert any(line.startswith("#   ## A model that is asked whether each") for line in lines)
