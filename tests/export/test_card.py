"""The card says where a set came from, what is lost, and how to train on it."""

from pathlib import Path

import yaml

from synalign.export import FORMATS
from tests.export.sets import exported, source


def test_a_card_has_what_an_auditor_asks(tmp_path: Path) -> None:
    out, _ = exported(tmp_path, "tevatron", draw=7)
    with source(tmp_path) as found:
        digest = found.digest
    card = (out / "README.md").read_text(encoding="utf-8")
    for told in (digest, "part-00000.parquet", "| `train.jsonl` | 7 |", FORMATS["tevatron"].weights, "--draw 7", "```"):
        assert told in card


def test_the_head_is_yaml_that_names_each_file(tmp_path: Path) -> None:
    out, written = exported(tmp_path, "hf")
    _, head, _ = (out / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    (configuration,) = yaml.safe_load(head)["configs"]
    assert {each["path"] for each in configuration["data_files"]} == set(written.rows)
    assert all((out / each["path"]).is_file() for each in configuration["data_files"])
