"""Files that people write are read safely: bombs end at once, and a key put there by mistake is not shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from synalign import retriever_files
from synalign.config import settings_file
from synalign.errors import ConfigurationError

GOOD = "retriever: shop\nschedule: {start: 2026-01-01}\nsource: {kind: beir, path: somewhere}\n"
LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LAUGHS, "more than 20000 values"),
        ("a: &a [*a]", "stands within what it names"),
        ("a: &a {b: *a}", "stands within what it names"),
        ("a: " + "[" * 100_000, "nests deeper"),
        ("a: " + "[" * 50 + "]" * 50, "nests deeper"),
        ("".join(" " * depth + "a:\n" for depth in range(500)), "nests deeper"),
        ("a: [" + "1," * 100_000 + "1]", "more than 20000 values"),
        ("a: " + "x" * 300_000, "more than 250000 bytes"),
        ("a: " + "9" * 100_000, "not valid YAML"),
        ("a: !!python/object/apply:os.system [true]", "not valid YAML"),
        ("a: !!python/name:os.system", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
    ],
    ids=range(12),
)
def test_bombs_and_objects_are_refused_in_seconds(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    began = time.monotonic()
    with pytest.raises(ConfigurationError, match=expected):
        settings_file.read(path)
    assert time.monotonic() - began < 20


def test_a_file_without_an_end_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="more than 250000 bytes"):
        settings_file.read(Path("/dev/zero"))


def test_aliases_that_people_use_are_read(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text("a: &common {b: 1}\nc: *common\nd: [*common, *common]")
    assert settings_file.read(path) == {"a": {"b": 1}, "c": {"b": 1}, "d": [{"b": 1}, {"b": 1}]}


@pytest.mark.parametrize(
    "extra",
    [
        "generation: {api_key: canary-6f1d0c27b8}",
        "password: canary-6f1d0c27b8",
        "generation: {provider: {api_key: canary-6f1d0c27b8}}",
        "generation: {endpoint: 'https://me:canary-6f1d0c27b8@llm.example.com/v1'}",
        "generation: {endpoint: 'https://canary-6f1d0c27b8@llm.example.com/v1'}",
        "runtime: {journal: 's3://me:canary-6f1d0c27b8@bucket/x'}",
        "alerts: {notifiers: [{notifier: a.B, arguments: {to: 'https://u:canary-6f1d0c27b8@h'}}]}",
    ],
)
def test_a_secret_in_a_file_is_refused_and_not_shown(tmp_path: Path, extra: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(GOOD + extra)
    with pytest.raises(ConfigurationError) as error:
        retriever_files.load(path)
    assert "canary" not in f"{error.value} {error.value.args}"


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a/b", "/etc", "s3://x", "a\\b", "Shop", "\u0430bc", "a\u0000b", "-a", "x" * 64]
)
def test_a_retrievers_name_is_a_plain_folder_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(GOOD.replace("shop", '"' + name.replace("\\", "\\\\").replace("\0", "\\0") + '"'))
    with pytest.raises(ConfigurationError, match="retriever"):
        retriever_files.load(path)
